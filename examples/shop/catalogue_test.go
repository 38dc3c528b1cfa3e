package shop_test

import (
	"io/fs"
	"strings"
	"testing"

	"crossfade.dev/crossfade/examples/shop"
)

func TestLoadCatalogue(t *testing.T) {
	c, err := shop.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	sprite, err := fs.ReadFile(shop.Assets(), "sprite.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range c.Stores {
		if c.Store(store.Slug) != store {
			t.Errorf("store %s is not found by its slug", store.Slug)
		}
		for _, section := range store.Sections {
			for _, item := range section.Items {
				if c.Item(item.ID) != item || item.Store != store {
					t.Errorf("item %d is not found by its id, or belongs to another store", item.ID)
				}
				if !strings.Contains(string(sprite), `<symbol id="`+item.Icon+`"`) {
					t.Errorf("item %d wants the icon %q, which sprite.svg does not have", item.ID, item.Icon)
				}
			}
		}
	}
	if c.Store("nowhere") != nil || c.Item(-1) != nil || c.Promotion("") != nil {
		t.Error("something is found that does not exist")
	}
}

func TestParseCatalogue_refuses(t *testing.T) {
	for name, text := range map[string]string{
		"text that is not JSON":  `{`,
		"a slug used twice":      `{"stores":[{"slug":"a"},{"slug":"a"}]}`,
		"an item id used twice":  `{"stores":[{"slug":"a","sections":[{"items":[{"id":1},{"id":1}]}]}]}`,
		"a null store":           `{"stores":[null]}`,
		"a null section":         `{"stores":[{"slug":"a","sections":[null]}]}`,
		"a promotion over 100 %": `{"promotions":[{"code":"A","percent":101}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := shop.ParseCatalogue([]byte(text)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestCents_String(t *testing.T) {
	for cents, want := range map[shop.Cents]string{0: "€0.00", 5: "€0.05", 1250: "€12.50", -315: "−€3.15"} {
		if got := cents.String(); got != want {
			t.Errorf("%d cents: got %s, want %s", int(cents), got, want)
		}
	}
}

func FuzzParseCatalogue(f *testing.F) {
	f.Add([]byte(`{"stores":[{"slug":"a","sections":[{"items":[{"id":1}]}]}]}`))
	f.Add([]byte(`{"stores":[null],"promotions":[null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := shop.ParseCatalogue(text)
		if err == nil && c == nil {
			t.Error("neither a catalogue nor an error")
		}
	})
}
