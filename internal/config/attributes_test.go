package config_test

import (
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/config"
)

func TestAttributes(t *testing.T) {
	with := func(list string) string {
		return strings.Replace(good, "  idle: 14d\n", "  idle: 14d\n  unregistered: count\n  attributes:\n"+list, 1)
	}
	t.Run("a list of them", func(t *testing.T) {
		c := parse(t, with(`    - {name: cart, owner: shop, type: object, max_bytes: 16KiB, retention: 30d, personal: true, legacy_name: basket, merge: union, writers: [storefront]}
    - {name: "flag_*", owner: web}
`))
		a := c.Session.Attributes[0]
		if len(c.Session.Attributes) != 2 || a.MaxBytes != 16<<10 || a.Retention != 30*config.Day || !a.Personal || c.Session.Unregistered != "count" {
			t.Fatalf("got %+v", c.Session)
		}
	})
	for entry, say := range map[string]string{
		`{owner: shop}`:                                "name: is missing",
		`{name: cart}`:                                 "owner: is missing",
		`{name: "c*t", owner: shop}`:                   "not a name",
		`{name: cart, owner: "The Shop"}`:              "not a name",
		`{name: cart, owner: shop, type: date}`:        "date",
		`{name: cart, owner: shop, merge: union}`:      "have a union",
		`{name: cart, owner: shop, merge: sum}`:        "sum",
		`{name: cart, owner: shop, legacy: copy}`:      "copy",
		`{name: cart, owner: shop, writers: [shop]}`:   "not one of the clients",
		`{name: cart, owner: shop, max_bytes: 1GiB}`:   "more than a session may hold",
		`{name: cart, owner: shop, retention: 1ms}`:    "not between",
		`{name: "c_*", owner: shop, legacy_name: old}`: "does not fit",
	} {
		t.Run("refused: "+entry, func(t *testing.T) {
			_, err := config.Parse("crossfade.yaml", []byte(with("    - "+entry+"\n")))
			if err == nil || !strings.Contains(err.Error(), say) {
				t.Fatalf("got %v, want %q", err, say)
			}
		})
	}
	t.Run("one twice", func(t *testing.T) {
		_, err := config.Parse("crossfade.yaml", []byte(with("    - {name: a, owner: b}\n    - {name: a, owner: b}\n")))
		if err == nil || !strings.Contains(err.Error(), "twice") {
			t.Fatalf("got %v", err)
		}
	})
}
