package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/mapping"
)

func TestMappingOf(t *testing.T) {
	attributes := []config.Attribute{
		{Name: "cart", Owner: "shop", LegacyName: "basket"},
		{Name: "new_*", Owner: "crm", LegacyName: "old_*", Personal: true},
		{Name: "wizard", Owner: "shop", Legacy: "stay"},
		{Name: "debug", Owner: "shop", Legacy: "drop", LegacyName: "dbg"},
		{Name: "_csrftoken", Owner: "web"},
	}
	cfg := func(policy string) *config.Config {
		c := new(config.Config)
		c.Session.Attributes, c.Session.Unregistered = attributes, policy
		return c
	}
	data := map[string]json.RawMessage{}
	for _, k := range []string{"basket", "old_a", "wizard", "dbg", "other", "_auth_user_id", "_csrftoken"} {
		data[k] = json.RawMessage(`"` + k + `"`)
	}
	t.Run("what crosses, and under which name, is what the registry says", func(t *testing.T) {
		m, err := mappingOf(cfg("allow"))
		if err != nil {
			t.Fatal(err)
		}
		moved, left, undeclared := m.Apply(data)
		if len(moved) != 5 || moved["cart"] == nil || moved["new_a"] == nil || moved["other"] == nil || len(left) != 2 || len(undeclared) != 1 {
			t.Fatalf("moved %v, left %v, undeclared %v", moved, left, undeclared)
		}
		if back, _, _ := m.Reverse(moved); back["basket"] == nil || back["old_a"] == nil {
			t.Fatalf("came back as %v", back)
		}
		if m.Owner("old_a") != "crm" || m.Sensitivity("old_a") != mapping.Personal {
			t.Error("owner and sensitivity come from the registry")
		}
	})
	t.Run("where unregistered writes are refused, unregistered keys stay behind", func(t *testing.T) {
		m, err := mappingOf(cfg("refuse"))
		if err != nil {
			t.Fatal(err)
		}
		moved, left, _ := m.Apply(data)
		if moved["other"] != nil || len(left) != 3 || moved["_auth_user_id"] == nil {
			t.Fatalf("moved %v, left %v", moved, left)
		}
	})
	t.Run("the mapping file adds keys, and none twice", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "mapping.yaml")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := cfg("allow")
		c.Legacy.Mapping.File = file
		write("keys: {other: {action: drop}}")
		m, err := mappingOf(c)
		if err != nil {
			t.Fatal(err)
		}
		if moved, _, _ := m.Apply(data); moved["other"] != nil || moved["cart"] == nil {
			t.Fatalf("moved %v", moved)
		}
		write("keys: {basket: {action: drop}}")
		if _, err := mappingOf(c); fault.CodeOf(err) != fault.Invalid {
			t.Fatalf("got %v", err)
		}
	})
}
