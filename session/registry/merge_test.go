package registry_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/session/registry"
)

func value(s string) registry.Value { return registry.Value{JSON: json.RawMessage(s)} }

func TestMerge(t *testing.T) {
	r, c := made(t, registry.Config{Rules: []registry.Rule{
		{Name: "theme", Owner: "web"},
		{Name: "cart", Owner: "shop", Merge: registry.KeepGuest},
		{Name: "recent", Owner: "shop", Type: registry.Array, Merge: registry.Union, MaxBytes: 16},
		{Name: "wish", Owner: "shop", Type: registry.Object, Merge: registry.Union},
		{Name: "tab", Owner: "web", Merge: registry.LastWriter},
	}})
	for _, m := range []struct{ key, guest, user, want string }{
		{"theme", `"g"`, `"u"`, `"u"`},
		{"unknown", `"g"`, `"u"`, `"u"`},
		{"cart", `{"1":1.0}`, `{"2":1}`, `{"1":1.0}`},
		{"recent", `[3,1, 4.0]`, `[ 1 , 2 ]`, `[ 1 , 2,3,4.0]`},
		{"recent", `[]`, `[]`, `[]`},
		{"recent", `[1]`, `null`, `[1]`},
		{"recent", `null`, `[1]`, `[1]`},
		{"recent", `{"a":1}`, `[1]`, `[1]`},
		{"recent", `["123456789",7]`, `[1,2,3]`, `[1,2,3,7]`},
		{"wish", `{"a":1,"b":{"x":1,"y":2}}`, `{"b":{"x":9},"c":3}`, `{"b":{"x":9,"y":2},"c":3,"a":1}`},
		{"wish", `{"l":[1,2],"s":"g"}`, `{"l":[2,3],"s":"u"}`, `{"l":[2,3,1],"s":"u"}`},
		{"wish", `{"a":1}`, `{}`, `{"a":1}`},
		{"wish", `{"<":1}`, `{"b":0,"b":2}`, `{"b":2,"<":1}`},
	} {
		if got := r.Merge(m.key, value(m.guest), value(m.user), 1000); string(got) != m.want {
			t.Errorf("%s of guest %s and user %s: got %s, want %s", m.key, m.guest, m.user, got, m.want)
		}
	}
	if c["shop merge_dropped"] != 1 || c["shop merge_mismatch"] != 1 {
		t.Errorf("counted %v", c)
	}
	t.Run("last writer", func(t *testing.T) {
		later := registry.Value{JSON: json.RawMessage(`"later"`), Written: epoch.Add(time.Second)}
		for _, other := range []registry.Value{{JSON: json.RawMessage(`1`), Written: epoch}, {JSON: json.RawMessage(`1`)}} {
			if a, b := r.Merge("tab", later, other, 100), r.Merge("tab", other, later, 100); string(a) != `"later"` || string(b) != `"later"` {
				t.Errorf("got %s and %s", a, b)
			}
		}
	})
	t.Run("a guest's value that does not fit leaves the user's", func(t *testing.T) {
		if got := r.Merge("cart", value(`"1234567890"`), value(`"u"`), 5); string(got) != `"u"` {
			t.Error(string(got))
		}
	})
}

// anyJSON draws a JSON value of a few small parts, so that two of them have something in common.
func anyJSON(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := 3
		if depth > 0 {
			kinds = 5
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return float64(rapid.IntRange(0, 4).Draw(t, "number"))
		case 1:
			return rapid.SampledFrom([]string{"", "a", "<b>", "\u2028", "é"}).Draw(t, "text")
		case 2:
			return rapid.Bool().Draw(t, "truth")
		case 3:
			return rapid.SliceOfN(anyJSON(depth-1), 0, 4).Draw(t, "array")
		}
		return rapid.MapOfN(rapid.SampledFrom([]string{"", "a", "b", "\"", "é"}), anyJSON(depth-1), 0, 4).Draw(t, "object")
	})
}

func text(t *rapid.T, v any) json.RawMessage {
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func parse(t *rapid.T, v json.RawMessage) (out any) {
	if err := json.Unmarshal(v, &out); err != nil {
		t.Fatalf("%s is not JSON: %v", v, err)
	}
	return out
}

// holds reports whether everything of part is in whole: elements of arrays, members of objects at any depth.
// Where both have a member that cannot be united, whole's own counts.
func holds(whole, part any) bool {
	switch p := part.(type) {
	case []any:
		w, ok := whole.([]any)
		if !ok {
			return true
		}
		for _, v := range p {
			found := false
			for _, have := range w {
				found = found || reflect.DeepEqual(have, v)
			}
			if !found {
				return false
			}
		}
	case map[string]any:
		w, ok := whole.(map[string]any)
		if !ok {
			return true
		}
		for k, v := range p {
			have, ok := w[k]
			if !ok || !holds(have, v) {
				return false
			}
		}
	}
	return true
}

func TestUnion_HoldsAllOfBothAndNeverMoreThanItsRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, c := made2(t)
		var guest, user json.RawMessage
		key := rapid.SampledFrom([]string{"list", "map"}).Draw(t, "key")
		if key == "list" {
			guest = text(t, rapid.SliceOfN(anyJSON(2), 0, 6).Draw(t, "guest"))
			user = text(t, rapid.SliceOfN(anyJSON(2), 0, 6).Draw(t, "user"))
		} else {
			keys := rapid.SampledFrom([]string{"a", "b", "c", ""})
			guest = text(t, rapid.MapOfN(keys, anyJSON(2), 0, 4).Draw(t, "guest"))
			user = text(t, rapid.MapOfN(keys, anyJSON(2), 0, 4).Draw(t, "user"))
		}
		room := len(user) + rapid.IntRange(0, 200).Draw(t, "room")
		out := r.Merge(key, registry.Value{JSON: guest}, registry.Value{JSON: user}, room)
		got, u := parse(t, out), parse(t, user)
		if len(out) > room {
			t.Fatalf("%s takes %d bytes of %d", out, len(out), room)
		}
		if !holds(got, u) {
			t.Fatalf("%s does not hold the user's %s", out, user)
		}
		if full := holds(got, parse(t, guest)); full != (c["shop merge_dropped"] == 0) {
			t.Fatalf("of the guest's %s in %s, %d were counted as dropped", guest, out, c["shop merge_dropped"])
		}
		if again := r.Merge(key, registry.Value{JSON: guest}, registry.Value{JSON: out}, len(out)); !reflect.DeepEqual(parse(t, again), got) {
			t.Fatalf("merged again %s becomes %s", out, again)
		}
	})
}

func made2(t *rapid.T) (*registry.Registry, counted) {
	c := counted{}
	r, err := registry.New(registry.Config{
		Rules: []registry.Rule{
			{Name: "list", Owner: "shop", Type: registry.Array, Merge: registry.Union},
			{Name: "map", Owner: "shop", Type: registry.Object, Merge: registry.Union},
		},
		Observe: func(owner, event string, n int) { c[owner+" "+event] += n },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

func FuzzMerge(f *testing.F) {
	for _, s := range []string{`[]`, `{}`, `{"a":[1,2],"b":{"c":1}}`, `[1,{"a":1}]`, `{"a":1,"a":2}`, `{"\u0061":1}`, `"x"`} {
		f.Add([]byte(s), []byte(`{"a":[2,3],"b":{"d":1}}`), 10)
		f.Add([]byte(s), []byte(`[1,2]`), 3)
	}
	r, err := registry.New(registry.Config{Rules: []registry.Rule{
		{Name: "list", Owner: "shop", Type: registry.Array, Merge: registry.Union},
		{Name: "map", Owner: "shop", Type: registry.Object, Merge: registry.Union},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, guest, user []byte, more int) {
		if !json.Valid(guest) || !json.Valid(user) {
			return
		}
		room := len(user) + more%1000
		if room < len(user) {
			room = len(user)
		}
		for _, key := range []string{"list", "map"} {
			out := r.Merge(key, registry.Value{JSON: guest}, registry.Value{JSON: user}, room)
			if !json.Valid(out) || len(out) > room {
				t.Fatalf("%q of %d bytes in %d", out, len(out), room)
			}
		}
	})
}

// Large arrays must not cost their square.
func BenchmarkUnion(b *testing.B) {
	list := func(from int) registry.Value {
		var s []string
		for i := range 10_000 {
			s = append(s, fmt.Sprint(from+i))
		}
		return value("[" + strings.Join(s, ",") + "]")
	}
	r, _ := made(b, registry.Config{Rules: []registry.Rule{{Name: "list", Owner: "shop", Type: registry.Array, Merge: registry.Union}}})
	guest, user := list(5_000), list(0)
	for b.Loop() {
		r.Merge("list", guest, user, 1<<20)
	}
}
