package config_test

import (
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/config"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]config.Size{
		"0": 0, "65536": 64 << 10, "512KiB": 512 << 10, "32MiB": 32 << 20, "32 MiB": 32 << 20, "1GiB": 1 << 30,
		"32MB": 32e6, "10kB": 10e3, "7B": 7, "1024GiB": 1 << 40,
	} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
		var again config.Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%d prints as %q, which reads as %d, %v", got, got, again, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1025GiB", "9223372036854775807GiB", "99999999999999999999", "1TiB", "0x10", "1_000"} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

// FuzzSize promises that what is read prints as something that reads the same.
func FuzzSize(f *testing.F) {
	f.Add("32MiB")
	f.Add("1024GiB")
	f.Add("0B")
	f.Fuzz(func(t *testing.T, text string) {
		var got, again config.Size
		if got.UnmarshalText([]byte(text)) != nil {
			return
		}
		if got < 0 || again.UnmarshalText([]byte(got.String())) != nil || again != got {
			t.Errorf("%q is %d and prints as %q", text, got, got)
		}
	})
}

func TestParse_Limits(t *testing.T) {
	read := func(t *testing.T, text string) *config.Config {
		t.Helper()
		c, err := config.Parse("crossfade.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("what is not said is limited", func(t *testing.T) {
		c := read(t, good)
		if c.Public.MaxBody != 32<<20 || c.Routes[1].MaxBody != nil || c.Legacy.Bridge.ClientBudget != 50 || len(c.Public.Hosts) != 0 {
			t.Errorf("%+v, %+v", c.Public, c.Routes[1])
		}
	})
	t.Run("a route may have a limit of its own, or none", func(t *testing.T) {
		c := read(t, replaced(t, "{path: /cart/,", "{path: /upload, max_body: 0, upstream: django}\n  - {path: /cart/, max_body: 1GiB,"))
		if *c.Routes[1].MaxBody != 0 || *c.Routes[2].MaxBody != 1<<30 {
			t.Errorf("%v, %v", *c.Routes[1].MaxBody, *c.Routes[2].MaxBody)
		}
	})
	t.Run("hosts in every form", func(t *testing.T) {
		c := read(t, replaced(t, "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [www.example.com, \"m.example.com:8443\", \"*.shops.example.com\", 10.0.0.7, \"[2001:db8::1]:8443\", xn--bcher-kva.example]"))
		if len(c.Public.Hosts) != 6 {
			t.Error(c.Public.Hosts)
		}
	})
	t.Run("whether the legacy cookie is secure can be said", func(t *testing.T) {
		c := read(t, replaced(t, "{name: sessionid}", "{name: sessionid, secure: false}"))
		if *c.Legacy.Cookie.Secure {
			t.Error("it was not heard")
		}
	})
	t.Run("a plain route", func(t *testing.T) {
		c := read(t, replaced(t, "{path: /cart/,", "{path: /static/, plain: true, upstream: django}\n  - {path: /cart/,"))
		if !c.Routes[1].Plain {
			t.Error("it was not heard")
		}
	})
}

func replaced(t *testing.T, old, new string) string {
	t.Helper()
	out := strings.Replace(good, old, new, 1)
	if out == good {
		t.Fatalf("the good configuration has no %q", old)
	}
	return out
}
