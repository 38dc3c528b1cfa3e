package inventory_test

import (
	"encoding/json"
	"os"
	"testing"

	"crossfade.dev/crossfade/legacy/inventory"
)

// TestMask: names are shown, ids in them are not. The client package masks by the same cases.
func TestMask(t *testing.T) {
	text, err := os.ReadFile("testdata/masks.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]string
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for name, want := range cases {
		if got := inventory.Mask(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add("cart_42")
	f.Add("_state_x_\xff")
	f.Fuzz(func(t *testing.T, name string) {
		got := inventory.Mask(name)
		if len(got) > 80 || inventory.Mask(got) != got {
			t.Errorf("%q became %q and then %q", name, got, inventory.Mask(got))
		}
	})
}
