package web_test

import (
	"net/http"
	"strings"
	"testing"

	"crossfade.dev/crossfade/client"
)

func TestPages(t *testing.T) {
	t.Run("a guest without a cart sees the stores, and nothing is kept", func(t *testing.T) {
		b := open(t)
		w := b.get("/")
		contains(t, w, `data-system="new" data-user="" data-cart="0"`, "Kori Ramen", "Log in", "served by storefront", "/_crossfade/client.js")
		b.get("/stores/kori-ramen/")
		if b.kept("recently_viewed") != "" {
			t.Error("looking at a menu made a session")
		}
	})
	t.Run("a cuisine narrows the list", func(t *testing.T) {
		w := open(t).get("/?cuisine=Japanese")
		contains(t, w, "Kori Ramen")
		if strings.Contains(w.Body.String(), "Lupo Pizzeria") {
			t.Error("another cuisine is listed")
		}
	})
	t.Run("what Django kept is shown: name, cart, address, stores, messages", func(t *testing.T) {
		b := open(t)
		b.session.User = "2"
		b.fill(map[string]any{
			"cart": map[string]int{"201": 2}, "promo": "WELCOME10", "recently_viewed": []string{"kori-ramen", "gone"},
			"customer":  map[string]string{"id": "2", "username": "customer1", "name": "Ada"},
			"delivery":  map[string]string{"street": "12 Mill Lane", "city": "Riverton"},
			"_messages": `[["__json_message",0,25,"Welcome <back>",""],["odd"],7]`,
		})
		w := b.get("/")
		contains(t, w, `data-user="customer1" data-cart="2"`, "Ada", "12 Mill Lane", "Back for more?", "Welcome &lt;back&gt;", `message success`)
		contains(t, b.get("/cart/"), "Tonkotsu", "€27.00", "−€2.70", "€26.80")
	})
	t.Run("a message is shown once", func(t *testing.T) {
		b := open(t)
		b.fill(map[string]any{"_messages": `[["__json_message",0,40,"Only once"]]`})
		contains(t, b.get("/"), "Only once")
		if strings.Contains(b.get("/").Body.String(), "Only once") {
			t.Error("shown again")
		}
	})
	t.Run("a name in the session counts for nothing unless it belongs to the subject", func(t *testing.T) {
		b := open(t)
		b.fill(map[string]any{"customer": map[string]string{"id": "2", "username": "customer1", "name": "Ada"}})
		contains(t, b.get("/"), `data-user=""`, "Log in")
		b.session.User = "3"
		contains(t, b.get("/"), `data-user="3"`, "Account")
	})
	t.Run("stores are remembered newest first, for whom something is kept already", func(t *testing.T) {
		b := open(t)
		b.fill(map[string]any{"recently_viewed": []string{"a", "patty-works", "b", "c"}})
		b.get("/stores/patty-works/")
		if got := b.kept("recently_viewed"); got != `["patty-works","a","b","c"]` {
			t.Errorf("kept %s", got)
		}
	})
	t.Run("an unknown store and an unknown address are a friendly 404", func(t *testing.T) {
		for _, path := range []string{"/stores/nowhere/", "/nowhere", "/cart/add/"} {
			w := open(t).get(path)
			contains(t, w, "Not on the menu")
			if w.Code != http.StatusNotFound {
				t.Errorf("%s answered %d", path, w.Code)
			}
		}
	})
	t.Run("a missing last slash is mended, with the query kept", func(t *testing.T) {
		for _, path := range []string{"/stores/kori-ramen", "/cart"} {
			w := open(t).get(path + "?x=1")
			if w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != path+"/?x=1" {
				t.Errorf("%s: %d to %s", path, w.Code, w.Header().Get("Location"))
			}
		}
	})
	t.Run("pages are private and assets are not", func(t *testing.T) {
		b := open(t)
		if got := b.get("/").Header().Get("Cache-Control"); got != "private, no-cache" {
			t.Errorf("page: %s", got)
		}
		w := b.get("/static/shop/shop.css")
		if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("asset: %d, %s", w.Code, w.Header())
		}
	})
}

func TestPages_sessionPlaneDown(t *testing.T) {
	b := open(t)
	b.fill(map[string]any{"cart": map[string]int{"201": 2}})
	b.session.Down = client.ErrUnavailable

	t.Run("menus are shown, and the cart as unknown instead of empty", func(t *testing.T) {
		for _, path := range []string{"/", "/stores/kori-ramen/"} {
			w := b.get(path)
			contains(t, w, `data-cart=""`)
			if w.Code != http.StatusOK {
				t.Errorf("%s answered %d", path, w.Code)
			}
		}
	})
	t.Run("the cart and its forms ask to try again", func(t *testing.T) {
		for _, w := range []int{b.get("/cart/").Code, b.post("/cart/add/", "item", "201").Code, b.get("/api/me").Code} {
			if w != http.StatusServiceUnavailable {
				t.Errorf("answered %d", w)
			}
		}
	})
	t.Run("afterwards the cart is what it was", func(t *testing.T) {
		b.session.Down = nil
		contains(t, b.get("/"), `data-cart="2"`)
	})
}
