package web_test

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"testing"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clienttest"
	"crossfade.dev/crossfade/examples/shop"
	"crossfade.dev/crossfade/examples/shop/storefront/web"
)

// TestCrossfade runs the pages on the real client library.
func TestCrossfade(t *testing.T) {
	catalogue, err := shop.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	crossfade := clienttest.New(t, func(c *client.Config) { c.Name = "shop-storefront" })
	server, err := web.New(web.Config{
		Catalogue: catalogue, Sessions: web.FromCrossfade, PublicURL: "http://localhost:8000",
		Random: rand.NewChaCha8([32]byte{2}), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), BrowserClient: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := web.Public(crossfade.Client.Middleware(server))

	t.Run("a guest who only looks costs no call and leaves nothing", func(t *testing.T) {
		guest, before := crossfade.Guest(), crossfade.Calls()
		guest.Do(handler, http.MethodGet, "/", "")
		guest.Do(handler, http.MethodGet, "/stores/kori-ramen/", "")
		if crossfade.Calls() != before {
			t.Errorf("%d calls", crossfade.Calls()-before)
		}
	})
	t.Run("a guest's first dish makes the session, and the browser is handed its token", func(t *testing.T) {
		guest := crossfade.Guest()
		w := guest.Do(handler, http.MethodPost, "/cart/add/", "item=201&next=/stores/kori-ramen/")
		if w.Code != http.StatusFound || w.Header().Get("Crossfade-Session") == "" {
			t.Errorf("%d, handoff %q", w.Code, w.Header().Get("Crossfade-Session"))
		}
		guest.Do(handler, http.MethodPost, "/cart/add/", "item=201")
		if got := guest.Value("cart"); got != `{"201":2}` {
			t.Errorf("cart %s", got)
		}
		contains(t, guest.Do(handler, http.MethodGet, "/", ""), `data-cart="2"`, "Tonkotsu is in your cart.")
		if guest.Value("_messages") != "" {
			t.Error("the message was not taken out")
		}
	})
	t.Run("a customer who was moved here is greeted, with her cart", func(t *testing.T) {
		ada := crossfade.Customer("2")
		ada.Put("cart", map[string]int{"601": 3})
		ada.Put("customer", map[string]string{"id": "2", "username": "customer1", "name": "Ada"})
		contains(t, ada.Do(handler, http.MethodGet, "/cart/", ""), `data-user="customer1" data-cart="3"`, "Double smash")
	})
	t.Run("with the session API down she is still greeted by her subject, and no cart is claimed empty", func(t *testing.T) {
		ada := crossfade.Customer("2")
		crossfade.Down(true)
		defer crossfade.Down(false)
		contains(t, ada.Do(handler, http.MethodGet, "/", ""), `data-user="2" data-cart=""`)
		if w := ada.Do(handler, http.MethodPost, "/cart/add/", "item=201"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("answered %d", w.Code)
		}
	})
	t.Run("who does not come through the edge is refused; assets and the health check are for all", func(t *testing.T) {
		for path, want := range map[string]int{"/": http.StatusForbidden, "/healthz": http.StatusOK, "/static/shop/shop.css": http.StatusOK} {
			b := browser{t: t, handler: handler}
			if w := b.get(path); w.Code != want {
				t.Errorf("%s answered %d", path, w.Code)
			}
		}
	})
}
