package mapping_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/legacy/mapping"
)

type data = map[string]json.RawMessage

// values makes session data in which every value is its key's name.
func values(keys ...string) data {
	out := data{}
	for _, k := range keys {
		out[k] = json.RawMessage(`"` + k + `"`)
	}
	return out
}

func parse(t *testing.T, text string) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const shop = `
keys:
  cart: {owner: basket team, target: basket, sensitivity: personal}
  wizard_*: {owner: checkout, action: stay}
  wizard_done: {owner: checkout}
  tmp_*: {action: drop}
  pref_*: {target: preference_*}
`

func TestMapping_Apply(t *testing.T) {
	t.Run("without a mapping everything crosses and is counted as undeclared", func(t *testing.T) {
		m := parse(t, "")
		moved, left, undeclared := m.Apply(values("b", "a", "_csrftoken", "_auth_user_id"))
		if !reflect.DeepEqual(moved, values("b", "a", "_csrftoken", "_auth_user_id")) || left != nil {
			t.Fatalf("moved %v, left %v", moved, left)
		}
		if !reflect.DeepEqual(undeclared, []string{"a", "b"}) {
			t.Fatalf("undeclared %v", undeclared)
		}
	})
	t.Run("rules rename, keep back and drop", func(t *testing.T) {
		moved, left, undeclared := parse(t, shop).Apply(values("cart", "wizard_step", "wizard_done", "tmp_x", "pref_lang", "other"))
		want := data{
			"basket": json.RawMessage(`"cart"`), "wizard_done": json.RawMessage(`"wizard_done"`),
			"preference_lang": json.RawMessage(`"pref_lang"`), "other": json.RawMessage(`"other"`),
		}
		if !reflect.DeepEqual(moved, want) {
			t.Errorf("moved %s", moved)
		}
		if !reflect.DeepEqual(left, []legacy.LeftBehind{{Key: "tmp_x", Reason: "dropped"}, {Key: "wizard_step", Reason: "stays"}}) {
			t.Errorf("left %v", left)
		}
		if !reflect.DeepEqual(undeclared, []string{"other"}) {
			t.Errorf("undeclared %v", undeclared)
		}
	})
	t.Run("strict leaves undeclared keys behind by name", func(t *testing.T) {
		moved, left, undeclared := parse(t, "strict: true\nkeys: {cart: {}}").Apply(values("cart", "other"))
		if !reflect.DeepEqual(moved, values("cart")) || !reflect.DeepEqual(undeclared, []string{"other"}) ||
			!reflect.DeepEqual(left, []legacy.LeftBehind{{Key: "other", Reason: "undeclared"}}) {
			t.Fatalf("moved %v, left %v, undeclared %v", moved, left, undeclared)
		}
	})
	t.Run("login, CSRF and OAuth state cross whatever the mapping says", func(t *testing.T) {
		keys := values("_csrftoken", "_auth_user_id", "_auth_user_backend", "_auth_user_hash", "_crossfade_x",
			"oauth_state", "_state_google_abc", "google-oauth2_state", "socialaccount_states", "oidc_states")
		moved, left, undeclared := parse(t, "strict: true\nkeys: {'*': {action: drop}}").Apply(keys)
		if !reflect.DeepEqual(moved, keys) || left != nil || undeclared != nil {
			t.Fatalf("moved %v, left %v, undeclared %v", moved, left, undeclared)
		}
	})
	t.Run("an order's state is no login's", func(t *testing.T) {
		if moved, _, _ := parse(t, "keys: {order_state: {action: drop}}").Apply(values("order_state")); len(moved) != 0 {
			t.Fatal("crossed")
		}
	})
	t.Run("a key with the name that another one gets is left behind by name", func(t *testing.T) {
		for _, d := range []data{values("cart", "basket"), values("basket")} {
			moved, left, _ := parse(t, shop).Apply(d)
			if !reflect.DeepEqual(left, []legacy.LeftBehind{{Key: "basket", Reason: "taken"}}) {
				t.Fatalf("left %v", left)
			}
			if len(moved) != len(d)-1 {
				t.Fatalf("moved %s", moved)
			}
		}
	})
	t.Run("no rename makes a name that login depends on", func(t *testing.T) {
		moved, _, _ := parse(t, "keys: {'x*': {target: '_*'}}").Apply(values("xauth_user_id", "_auth_user_id", "xa"))
		if string(moved["_auth_user_id"]) != `"_auth_user_id"` || string(moved["xauth_user_id"]) == "" || string(moved["_a"]) != `"xa"` {
			t.Fatalf("moved %s", moved)
		}
	})
}

func TestMapping_Reverse(t *testing.T) {
	m := parse(t, shop)
	t.Run("renames are undone, what the new system added keeps its name", func(t *testing.T) {
		got, left, _ := m.Reverse(values("basket", "preference_lang", "added", "wizard_done", "_csrftoken"))
		want := data{
			"cart": json.RawMessage(`"basket"`), "pref_lang": json.RawMessage(`"preference_lang"`), "added": json.RawMessage(`"added"`),
			"wizard_done": json.RawMessage(`"wizard_done"`), "_csrftoken": json.RawMessage(`"_csrftoken"`),
		}
		if !reflect.DeepEqual(got, want) || left != nil {
			t.Fatalf("got %s, left %v", got, left)
		}
	})
	t.Run("what stays in legacy is not overwritten from the new system", func(t *testing.T) {
		got, left, _ := m.Reverse(values("wizard_step", "tmp_x"))
		if len(got) != 0 || len(left) != 2 {
			t.Fatalf("got %s, left %v", got, left)
		}
	})
	t.Run("written under the legacy name, it crosses, unless the renamed one is there", func(t *testing.T) {
		if got, _, _ := m.Reverse(values("cart")); string(got["cart"]) != `"cart"` {
			t.Fatalf("got %s", got)
		}
		got, left, _ := m.Reverse(values("cart", "basket"))
		if string(got["cart"]) != `"basket"` || !reflect.DeepEqual(left, []legacy.LeftBehind{{Key: "cart", Reason: "taken"}}) {
			t.Fatalf("got %s, left %v", got, left)
		}
	})
}

func TestNew_refuses(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"an unknown field":            {"kyes: {}", "kyes"},
		"an unknown field of a key":   {"keys: {a: {sensitvity: secret}}", "sensitvity"},
		"an unknown action":           {"keys: {a: {action: copy}}", "copy"},
		"an unknown sensitivity":      {"keys: {a: {sensitivity: high}}", "high"},
		"a target that does not move": {"keys: {a: {action: stay, target: b}}", "does not move"},
		"an empty key":                {"keys: {'': {}}", "not a key"},
		"a star inside":               {"keys: {'a*b': {}}", "not a key"},
		"a rule for the login":        {"keys: {_auth_user_id: {action: drop}}", "always crosses"},
		"a rule for CSRF":             {"keys: {_csrftoken: {}}", "always crosses"},
		"a target that login uses":    {"keys: {a: {target: _auth_user_id}}", "login"},
		"one name for two":            {"keys: {a: {target: c}, b: {target: c}}", "renamed"},
		"a chain":                     {"keys: {a: {target: b}, b: {target: c}}", "renamed"},
		"a swap":                      {"keys: {a: {target: b}, b: {target: a}}", "renamed"},
		"a target under a beginning":  {"keys: {a: {target: x_1}, 'x_*': {}}", "renamed"},
		"beginnings that meet":        {"keys: {'a_*': {target: 'c_*'}, 'b_*': {target: 'c_d*'}}", "renamed"},
		"a beginning for a whole key": {"keys: {'a_*': {target: b}}", "does not fit"},
		"a whole key for a beginning": {"keys: {a: {target: 'b_*'}}", "does not fit"},
		"not YAML":                    {"\t{", "cannot be read"},
		"a list":                      {"- a", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mapping.Parse([]byte(c.text))
			if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v", err)
			}
			if _, hint := fault.Public(err); hint == "" {
				t.Fatal("no hint")
			}
		})
	}
}

func TestMapping_Sensitivity(t *testing.T) {
	m := parse(t, shop)
	for key, want := range map[string]mapping.Sensitivity{
		"cart": mapping.Personal, "other": mapping.Internal, "_auth_user_hash": mapping.Secret, "_csrftoken": mapping.Secret,
	} {
		if got := m.Sensitivity(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if m.Owner("cart") != "basket team" || m.Owner("wizard_7") != "checkout" || m.Owner("other") != "" {
		t.Error("owners")
	}
}

// genFile draws mappings over few short names, so that their rules meet often.
func genFile(t *rapid.T) mapping.File {
	name := rapid.StringMatching(`[ab_]{1,3}\*?`)
	f := mapping.File{Strict: rapid.Bool().Draw(t, "strict"), Keys: map[string]mapping.Rule{}}
	for _, key := range rapid.SliceOfN(name, 0, 4).Draw(t, "keys") {
		r := mapping.Rule{Action: rapid.SampledFrom([]mapping.Action{"", mapping.Move, mapping.Stay, mapping.Drop}).Draw(t, "action")}
		if (r.Action == "" || r.Action == mapping.Move) && rapid.Bool().Draw(t, "renames") {
			r.Target = rapid.StringMatching(`[abc_]{1,3}`).Draw(t, "target")
			if strings.HasSuffix(key, "*") {
				r.Target += "*"
			}
		}
		f.Keys[key] = r
	}
	return f
}

func TestMapping_round_trip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, err := mapping.New(genFile(t))
		if err != nil {
			return // the rules clash: refused, and rightly
		}
		key := rapid.OneOf(rapid.StringMatching(`[abc_]{1,4}`), rapid.SampledFrom([]string{"_csrftoken", "_auth_user_id", "oauth_state"}))
		in := values(rapid.SliceOfDistinct(key, rapid.ID).Draw(t, "data")...)
		before := maps.Clone(in)

		moved, left, _ := m.Apply(in)
		if !reflect.DeepEqual(in, before) {
			t.Fatal("the input was changed")
		}
		if len(moved)+len(left) != len(in) {
			t.Fatalf("%d keys went in, %d moved and %d were named as left: %s %v", len(in), len(moved), len(left), moved, left)
		}
		want := maps.Clone(in)
		for _, l := range left {
			delete(want, l.Key)
		}
		back, lost, _ := m.Reverse(moved)
		if !reflect.DeepEqual(back, want) || lost != nil {
			t.Fatalf("moved %s came back as %s, want %s (left %v, lost %v)", moved, back, want, left, lost)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{shop, "", "strict: true", "keys: {a: {target: b}}", "keys: [", "? a", "&a *a", "keys: {'*': {}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := mapping.Parse(text)
		if err != nil {
			return
		}
		in := values("a", "b", "cart", "_csrftoken")
		if moved, left, _ := m.Apply(in); len(moved)+len(left) != len(in) {
			t.Fatalf("lost a key: moved %s, left %v", moved, left)
		}
	})
}

func BenchmarkMapping_Apply(b *testing.B) {
	m, err := mapping.Parse([]byte(shop))
	if err != nil {
		b.Fatal(err)
	}
	in := values("cart", "wizard_step", "wizard_done", "tmp_x", "pref_lang", "other", "_csrftoken", "_auth_user_id")
	b.ReportAllocs()
	for b.Loop() {
		m.Apply(in)
	}
}
