package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"crossfade.dev/crossfade/examples/shop/storefront/web"
)

var csrfField = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([a-zA-Z0-9]{64})"`)

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// unmask is django.middleware.csrf._unmask_cipher_token.
func unmask(token string) string {
	mask, cipher := token[:32], token[32:]
	var out strings.Builder
	for i := range 32 {
		out.WriteByte(letters[(strings.IndexByte(letters, cipher[i])-strings.IndexByte(letters, mask[i])+62)%62])
	}
	return out.String()
}

// token is the one in a form of the shop.
func token(t *testing.T, b *browser) string {
	t.Helper()
	m := csrfField.FindStringSubmatch(b.get("/stores/kori-ramen/").Body.String())
	if m == nil {
		t.Fatal("the form has no token")
	}
	return m[1]
}

func TestCSRF(t *testing.T) {
	t.Run("a form can be sent to the monolith: its token means Django's cookie", func(t *testing.T) {
		b := open(t)
		b.cookies["csrftoken"] = &http.Cookie{Name: "csrftoken", Value: "uZxmsjbdkNCUdZ8Y6ZDeaqVtBlQUGYAB"}
		one, two := token(t, b), token(t, b)
		if unmask(one) != "uZxmsjbdkNCUdZ8Y6ZDeaqVtBlQUGYAB" || unmask(two) != unmask(one) {
			t.Errorf("tokens mean %s and %s", unmask(one), unmask(two))
		}
		if one == two {
			t.Error("the mask is the same twice")
		}
		if b.cookies["csrftoken"].Path == "/" {
			t.Error("Django's cookie was replaced")
		}
	})
	t.Run("a browser without the cookie, or with a broken one, gets one that fits", func(t *testing.T) {
		for _, value := range []string{"", "short", strings.Repeat("<", 32)} {
			b := open(t)
			if value != "" {
				b.cookies["csrftoken"] = &http.Cookie{Name: "csrftoken", Value: value}
			}
			got := token(t, b)
			c := b.cookies["csrftoken"]
			if c == nil || c.Path != "/" || c.SameSite != http.SameSiteLaxMode || unmask(got) != c.Value {
				t.Errorf("%q: cookie %v", value, c)
			}
		}
	})
}

func TestCSRF_inSession(t *testing.T) {
	t.Run("a form can be sent to the monolith: its token means what Django has in the session", func(t *testing.T) {
		b := openAs(t, web.Config{CSRFInSession: true})
		b.fill(map[string]any{"_csrftoken": "uZxmsjbdkNCUdZ8Y6ZDeaqVtBlQUGYAB"})
		if got := token(t, b); unmask(got) != "uZxmsjbdkNCUdZ8Y6ZDeaqVtBlQUGYAB" {
			t.Errorf("the token means %s", unmask(got))
		}
	})
	t.Run("a session without one keeps the first, and no cookie is set", func(t *testing.T) {
		b := openAs(t, web.Config{CSRFInSession: true})
		one, two := unmask(token(t, b)), unmask(token(t, b))
		if kept := b.kept("_csrftoken"); one != two || kept != `"`+one+`"` {
			t.Errorf("two pages mean %s and %s, the session has %s", one, two, kept)
		}
		if c := b.cookies["csrftoken"]; c != nil {
			t.Errorf("cookie %v", c)
		}
	})
}
