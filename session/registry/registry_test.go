package registry_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session/registry"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// counted is what a registry observed, by "owner event".
type counted map[string]int

func made(t testing.TB, cfg registry.Config) (*registry.Registry, counted) {
	t.Helper()
	c := counted{}
	cfg.Observe = func(owner, event string, n int) { c[owner+" "+event] += n }
	r, err := registry.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

func refused(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("got %v (%s), want %s", err, fault.CodeOf(err), code)
	}
	message, hint := fault.Public(err)
	for _, w := range words {
		if !strings.Contains(message+hint, w) {
			t.Errorf("%q (%s) does not say %q", message, hint, w)
		}
	}
}

func TestWrite(t *testing.T) {
	rules := []registry.Rule{
		{Name: "cart", Owner: "shop", Type: registry.Object, MaxBytes: 20, Writers: []string{"shop", "django"}},
		{Name: "shop_*", Owner: "shop"},
		{Name: "shop_note_*", Owner: "crm", Type: registry.String},
	}
	t.Run("a value is written by who may, of the type and size that its rule says", func(t *testing.T) {
		r, c := made(t, registry.Config{Rules: rules})
		for _, writer := range []string{"", "shop", "django"} {
			if err := r.CheckWrite(writer, "cart", json.RawMessage(` {"12":1.0}`)); err != nil {
				t.Error(err)
			}
		}
		if err := r.CheckWrite("shop", "cart", json.RawMessage(`null`)); err != nil {
			t.Error("null is of every type:", err)
		}
		refused(t, r.CheckWrite("mail", "cart", json.RawMessage(`{}`)), fault.Denied, "cart", "shop", "mail", "writers")
		refused(t, r.CheckWrite("mail", "cart", nil), fault.Denied, "cart")
		refused(t, r.CheckWrite("shop", "cart", json.RawMessage(`[1]`)), fault.Invalid, "cart", "array", "object", "type")
		refused(t, r.CheckWrite("shop", "cart", json.RawMessage(`{"12":1,"13":1,"14":1}`)), fault.Exhausted, "cart", "20", "max_bytes")
		if c["shop writer"] != 2 || c["shop type"] != 1 || c["shop size"] != 1 {
			t.Errorf("counted %v", c)
		}
	})
	t.Run("a whole name wins over a beginning, a longer beginning over a shorter one", func(t *testing.T) {
		r, _ := made(t, registry.Config{Rules: rules})
		for key, owner := range map[string]string{"shop_x": "shop", "shop_note_1": "crm", "cart": "shop", "carts": ""} {
			if got := r.Owner(key); got != owner {
				t.Errorf("%s is of %q, want %q", key, got, owner)
			}
		}
	})
	t.Run("what is not registered is allowed, counted or refused, and always deleted", func(t *testing.T) {
		for policy, want := range map[registry.Unregistered]int{"": 0, registry.Allow: 0, registry.Count: 1, registry.Refuse: 1} {
			r, c := made(t, registry.Config{Rules: rules, Unregistered: policy, Exempt: func(k string) bool { return k == "_csrftoken" }})
			err := r.CheckWrite("shop", "basket", json.RawMessage(`1`))
			if policy == registry.Refuse {
				refused(t, err, fault.Denied, "basket", "session.attributes", "session.unregistered")
			} else if err != nil {
				t.Error(policy, err)
			}
			if err := r.CheckWrite("shop", "basket", nil); err != nil {
				t.Error(policy, err)
			}
			if err := r.CheckWrite("shop", "_csrftoken", json.RawMessage(`1`)); err != nil {
				t.Error(policy, err)
			}
			if c["unregistered unregistered"] != want {
				t.Errorf("%s counted %v", policy, c)
			}
		}
	})
	t.Run("no registry allows everything", func(t *testing.T) {
		var none *registry.Registry
		if err := none.CheckWrite("x", "y", json.RawMessage("1")); err != nil {
			t.Error(err)
		}
		if v := none.Merge("y", registry.Value{JSON: json.RawMessage("1")}, registry.Value{JSON: json.RawMessage("2")}, 9); string(v) != "2" {
			t.Error(string(v))
		}
	})
	t.Run("what crosses from legacy is counted and never refused", func(t *testing.T) {
		r, c := made(t, registry.Config{Rules: rules, Unregistered: registry.Refuse})
		r.Crossed("cart", json.RawMessage(`[1]`))
		r.Crossed("other", json.RawMessage(`[1]`))
		if c["shop type"] != 1 || c["unregistered unregistered"] != 1 {
			t.Errorf("counted %v", c)
		}
	})
}

func TestRetention(t *testing.T) {
	r, _ := made(t, registry.Config{Rules: []registry.Rule{{Name: "seen", Owner: "shop", Retention: time.Hour}, {Name: "cart", Owner: "shop"}}})
	for _, c := range []struct {
		key     string
		written time.Time
		over    bool
	}{
		{"seen", epoch.Add(-59 * time.Minute), false}, {"seen", epoch.Add(-time.Hour), true},
		{"seen", time.Time{}, false}, {"cart", epoch.Add(-1000 * time.Hour), false}, {"none", epoch.Add(-1000 * time.Hour), false},
	} {
		if r.Over(c.key, c.written, epoch) != c.over {
			t.Errorf("%s written at %v: want over %v", c.key, c.written, c.over)
		}
	}
	if !r.Timed("seen") || r.Timed("cart") || !r.AnyTimed() {
		t.Error("time is kept where it matters, and only there")
	}
}

func TestNew_SaysWhatIsWrong(t *testing.T) {
	for name, rules := range map[string][]registry.Rule{
		"no owner":     {{Name: "a"}},
		"no name":      {{Owner: "o"}},
		"star inside":  {{Name: "a*b", Owner: "o"}},
		"all":          {{Name: "*", Owner: "o"}},
		"type":         {{Name: "a", Owner: "o", Type: "date"}},
		"merge":        {{Name: "a", Owner: "o", Merge: "sum"}},
		"union of any": {{Name: "a", Owner: "o", Merge: registry.Union}},
		"negative":     {{Name: "a", Owner: "o", MaxBytes: -1}},
		"twice":        {{Name: "a", Owner: "o"}, {Name: "a", Owner: "p"}},
		"twice a star": {{Name: "a*", Owner: "o"}, {Name: "a*", Owner: "p"}},
	} {
		if _, err := registry.New(registry.Config{Rules: rules}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := registry.New(registry.Config{Unregistered: "shout"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}
