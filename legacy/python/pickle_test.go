package python_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/legacy/python"
)

// vector is a value that a real Python pickled, and what the client package says about it.
type vector struct {
	Name, Pickle, Type, Odd string
	Size                    *int
	JSON                    *string
	IsClass                 bool `json:"is_class"`
}

// vectors come from the Python that the tests of the Django package run on.
func vectors(t *testing.T, django string) []vector {
	t.Helper()
	cmd := exec.Command(testenv.Venv(t, django), "testdata/values.py")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+testenv.Root(t)+"/client/python/src", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("testdata/values.py: %v\n%s", err, out)
	}
	var all []vector
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestReadPickle/agrees: for whatever Python pickles, in every protocol, this reader names the type as the client
// package does, finds the same first thing that JSON cannot carry, and the same size.
func TestReadPickle_AgreesWithPython(t *testing.T) {
	all := vectors(t, testenv.Django52)
	if len(all) < 400 {
		t.Fatalf("only %d vectors", len(all))
	}
	for _, v := range all {
		raw, err := base64.StdEncoding.DecodeString(v.Pickle)
		if err != nil {
			t.Fatal(err)
		}
		got, err := python.ReadPickle(raw, python.Limits{})
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		shape := python.ShapeOf(got)
		if !v.IsClass && shape.Type != strings.TrimPrefix(v.Type, "__main__.") && shape.Type != v.Type {
			t.Errorf("%s: type %q, Python says %q", v.Name, shape.Type, v.Type)
		}
		if v.Odd == "*" && !shape.JSON {
			continue
		}
		if shape.JSON != (v.Odd == "") || !v.IsClass && shape.Odd != v.Odd {
			t.Errorf("%s: odd %q, Python says %q", v.Name, shape.Odd, v.Odd)
		}
		if v.Size != nil && shape.Size != *v.Size && !strings.Contains(v.Name, "e+") && !strings.Contains(v.Name, "e-") && !strings.Contains(v.Name, ".") {
			t.Errorf("%s: size %d, Python says %d", v.Name, shape.Size, *v.Size)
		}
		own := strings.Contains(v.Odd+v.Name, "__main__") || v.IsClass
		if (shape.Opaque != "") != own {
			t.Errorf("%s: opaque %q", v.Name, shape.Opaque)
		}
	}
}

// TestReadJSON_AgreesWithPython reads the same values where they are JSON.
func TestReadJSON_AgreesWithPython(t *testing.T) {
	for _, v := range vectors(t, testenv.Django52) {
		if v.JSON == nil {
			continue
		}
		got, err := python.ReadJSON([]byte(*v.JSON), python.Limits{})
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if shape := python.ShapeOf(got); shape.Type != v.Type || !shape.JSON || shape.Size != *v.Size {
			t.Errorf("%s: %+v, Python says %q, %d bytes", v.Name, shape, v.Type, *v.Size)
		}
	}
}

// TestReadPickle_CallsNothing: what a hostile pickle asks for is named.
func TestReadPickle_CallsNothing(t *testing.T) {
	for text, class := range map[string]string{
		"cos\nsystem\n(S'touch /tmp/x'\ntR.":                           "os.system",
		"c__builtin__\neval\n(S'1'\ntR.":                               "eval",
		"(S'touch'\nios\nsystem\n.":                                    "os.system",
		"(cos\nsystem\nS'touch'\no.":                                   "os.system",
		"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x01x\x85R.":       "posix.system",
		"\x80\x04c__main__\nA\n)\x81}\x8c\x01xcos\nsystem\n(I1\ntRsb.": "__main__.A",
	} {
		v, err := python.ReadPickle([]byte(text), python.Limits{})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if shape := python.ShapeOf(v); shape.Type != class || shape.Opaque != class || shape.JSON {
			t.Errorf("%q: %+v", text, shape)
		}
	}
}

func TestReadPickle_Refuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no end": "N", "two values": "NN.", "an open mark": "(N.", "a persistent id": "P1\n.", "one from the stack": "NQ.",
		"an extension": "\x82\x01.", "a buffer": "\x97.", "protocol 6": "\x80\x06N.", "an unknown note": "h\x00.",
		"a length beyond the end": "X\xff\xff\xff\xff.", "one of eight bytes": "\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.",
		"append to a number": "I1\nI2\na.", "half a pair": "}(I1\nu.", "what is below a mark": "I1\n(a.", "a broken int": "Ix\n.",
		"a broken string": "S'x\n.", "a broken escape": "V\\u00\n.", "a name that is no text": "I1\nI2\n\x93.", "a call without a tuple": "cos\nx\nI1\nR.",
		"a state without an object": "]}b.",
	} {
		if v, err := python.ReadPickle([]byte(text), python.Limits{}); err == nil {
			t.Errorf("%s: %+v", name, python.ShapeOf(v))
		}
	}
}

// TestReadPickle_Bounds: a few bytes that describe much are given up on, and never take their apparent size.
func TestReadPickle_Bounds(t *testing.T) {
	doubling := "]" + strings.Repeat("2\x86", 64) + "."
	v, err := python.ReadPickle([]byte(doubling), python.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if shape := python.ShapeOf(v); shape.JSON {
		t.Errorf("%+v", shape)
	}
	deep, err := python.ReadPickle([]byte("]"+strings.Repeat("\x85", 100_000)+"."), python.Limits{})
	if err != nil || python.ShapeOf(deep).JSON {
		t.Errorf("deep: %v", err)
	}
	large := "(" + strings.Repeat("N", 50_000) + "l\x94\x85\x94" // a list, in a tuple: notes 0 and 1
	call := "c__builtin__\nset\nh\x01R0"
	for name, text := range map[string]string{
		"instructions":  strings.Repeat("N0", 200_000),
		"one long note": large + strings.Repeat(call, 10_000) + ".",
	} {
		if _, err := python.ReadPickle([]byte(text), python.Limits{}); !errors.Is(err, python.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := python.ReadPickle(make([]byte, 2<<20), python.Limits{}); !errors.Is(err, python.ErrTooLarge) {
		t.Errorf("size: %v", err)
	}
}

// research is a vector that Django 3.2 wrote: a dict with a datetime of UTC.
const research = "80049565000000000000007d94288c0161944b018c0174948c086461746574696d65948c086461746574696d65949394430a07e801020304050000069468038c0874696d657a6f6e6594939468038c0974696d6564656c74619493944b004b004b00879452948594529486945294752e"

func TestShapesOf(t *testing.T) {
	raw, _ := hex.DecodeString(research)
	v, err := python.ReadPickle(raw, python.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	shapes := python.ShapesOf(v)
	if len(shapes) != 2 || shapes[0].Key.Text != "a" || !shapes[0].JSON || shapes[1].Type != "datetime.datetime" || shapes[1].JSON || shapes[1].Opaque != "" {
		t.Errorf("%+v", shapes)
	}
	if n, ok := v.Get("a").Number(); !ok || n != 1 {
		t.Errorf("a is %v", n)
	}
	again, err := python.ReadJSON([]byte(`{"a":1,"b":2,"a":"x"}`), python.Limits{})
	if shapes := python.ShapesOf(again); err != nil || len(shapes) != 2 || shapes[0].Type != "str" || again.Get("a").Kind != python.Str {
		t.Errorf("%v %+v", err, shapes)
	}
}

func FuzzReadPickle(f *testing.F) {
	raw, _ := hex.DecodeString(research)
	f.Add(raw)
	for _, seed := range []string{"(dp0\nS'a'\np1\nI01\nsVx\\u00e9\np2\n(lp3\nL12L\naF1.5\nas.", "cos\nsystem\n(S'x'\ntR.",
		"\x80\x02c__builtin__\nset\nq\x00]q\x01(K\x01K\x02e\x85q\x02R.", "\x80\x05\x96\x02\x00\x00\x00\x00\x00\x00\x00ab.",
		"]" + strings.Repeat("2\x86", 40) + ".", "\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x06\x00\x00\x00latin1\x86R."} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := python.ReadPickle(data, python.Limits{Bytes: 1 << 16, Ops: 1 << 12})
		if err != nil {
			return
		}
		shape := python.ShapeOf(v)
		if shape.Type == "" || shape.JSON != (shape.Odd == "") || shape.Opaque != "" && shape.JSON {
			t.Errorf("%+v", shape)
		}
		python.ShapesOf(v)
	})
}

func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,"\ud83d\ude00\ud800",null,true,NaN,-Infinity]}`, `"\u00e9\\"`, `[[[[`, `{"a":1,}`, `01`, `-`, `1.`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := python.ReadJSON(data, python.Limits{Bytes: 1 << 16, Ops: 1 << 12})
		if err == nil {
			if shape := python.ShapeOf(v); shape.Type == "" {
				t.Errorf("%+v", shape)
			}
		}
		// What Go reads, this reads: JSON proper is a part of it.
		if err != nil && json.Valid(data) && !errors.Is(err, python.ErrTooLarge) {
			t.Errorf("refused %q: %v", data, err)
		}
	})
}
