package web_test

import (
	"net/http"
	"strings"
	"testing"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/examples/shop/storefront/web"
	"crossfade.dev/crossfade/internal/fault"
)

func TestAdd(t *testing.T) {
	t.Run("counts up, says so, and returns to the page that the form named", func(t *testing.T) {
		b := open(t)
		w := b.post("/cart/add/", "item", "201", "next", "/stores/kori-ramen/")
		if w.Code != http.StatusFound || w.Header().Get("Location") != "/stores/kori-ramen/" {
			t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
		}
		b.post("/cart/add/", "item", "201", "qty", "2", "csrfmiddlewaretoken", "whatever Django put into its form")
		if got := b.kept("cart"); got != `{"201":3}` {
			t.Errorf("cart %s", got)
		}
		contains(t, b.get("/cart/"), "Tonkotsu is in your cart.", `data-cart="3"`)
	})
	t.Run("never leads to another site", func(t *testing.T) {
		b := open(t)
		for _, target := range []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, "/\t/evil.example/", "javascript:alert(1)", ""} {
			if got := b.post("/cart/add/", "item", "201", "next", target).Header().Get("Location"); got != "/cart/" {
				t.Errorf("%q led to %q", target, got)
			}
		}
	})
	t.Run("an unknown dish or a wrong quantity changes nothing and says so", func(t *testing.T) {
		b := open(t)
		for _, fields := range [][]string{{"item", "999"}, {"item", "x"}, {}, {"item", "201", "qty", "0"}, {"item", "201", "qty", "21"}, {"item", "201", "qty", "1e3"}} {
			b.post("/cart/add/", fields...)
		}
		if b.kept("cart") != "" {
			t.Errorf("cart %s", b.kept("cart"))
		}
		contains(t, b.get("/"), "not on the menu any more", "message error")
	})
	t.Run("another tab that is faster loses nothing", func(t *testing.T) {
		b := open(t)
		raced := false
		b.session.BeforeWrite = func() {
			if !raced {
				raced = true
				b.fill(map[string]any{"cart": map[string]int{"601": 1}})
			}
		}
		b.post("/cart/add/", "item", "201")
		if got := b.kept("cart"); got != `{"201":1,"601":1}` {
			t.Errorf("cart %s", got)
		}
	})
	t.Run("a session that changed hands meanwhile is left alone", func(t *testing.T) {
		b := open(t)
		b.session.BeforeWrite = func() {
			b.session.BeforeWrite = nil
			b.session.Down = client.ErrNotLive
		}
		w := b.post("/cart/add/", "item", "201")
		contains(t, w, "Please try again")
		if w.Code != http.StatusConflict {
			t.Errorf("answered %d", w.Code)
		}
	})
	t.Run("a form from another site is refused", func(t *testing.T) {
		b := open(t)
		r := func(header, value string) *http.Request {
			r, _ := http.NewRequest(http.MethodPost, "http://localhost:8000/cart/add/", strings.NewReader("item=201"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header, value)
			return r
		}
		for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			if w := b.send(r(header, value)); w.Code != http.StatusForbidden || b.kept("cart") != "" {
				t.Errorf("%s: %s answered %d", header, value, w.Code)
			}
		}
		if w := b.send(r("Origin", "http://localhost:8000")); w.Code != http.StatusFound {
			t.Errorf("our own origin answered %d", w.Code)
		}
	})
	t.Run("an oversized form is refused", func(t *testing.T) {
		if w := open(t).post("/cart/add/", "item", strings.Repeat("1", 32<<10)); w.Code != http.StatusBadRequest {
			t.Errorf("answered %d", w.Code)
		}
	})
}

func TestUpdate(t *testing.T) {
	b := open(t)
	b.fill(map[string]any{"cart": map[string]int{"201": 1, "601": 2}})
	for _, step := range []struct{ item, qty, want string }{
		{"201", "4", `{"201":4,"601":2}`},
		{"601", "0", `{"201":4}`},
		{"201", "-1", `{"201":4}`},
		{"201", "x", `{"201":4}`},
		{"0", "1", `{"201":4}`},
	} {
		b.post("/cart/update/", "item", step.item, "qty", step.qty)
		if got := b.kept("cart"); got != step.want {
			t.Errorf("item %s to %s: cart %s, want %s", step.item, step.qty, got, step.want)
		}
	}
}

func TestPromoAndDelivery(t *testing.T) {
	b := open(t)
	b.post("/cart/promo/", "code", " welcome10 ")
	b.post("/cart/promo/", "code", "NOPE")
	if got := b.kept("promo"); got != `"WELCOME10"` {
		t.Errorf("promo %s", got)
	}
	b.post("/cart/promo/", "code", "")
	if b.kept("promo") != "" {
		t.Error("the promotion stayed")
	}
	b.post("/cart/delivery/", "street", " 12 Mill Lane ", "city", "Riverton", "note", "Blue <door>")
	b.post("/cart/delivery/", "street", "", "city", "Elsewhere")
	b.post("/cart/delivery/", "street", strings.Repeat("x", 81), "city", "Elsewhere")
	if got := b.kept("delivery"); got != `{"street":"12 Mill Lane","city":"Riverton","note":"Blue \u003cdoor\u003e"}` {
		t.Errorf("delivery %s", got)
	}
	contains(t, b.get("/cart/"), `value="Blue &lt;door&gt;"`, "12 Mill Lane")
}

func TestAPI(t *testing.T) {
	b := open(t)
	b.session.User = "2"
	b.fill(map[string]any{
		"cart": map[string]int{"201": 1, "205": 1, "601": 1}, "promo": "WELCOME10",
		"customer": map[string]string{"id": "2", "username": "customer1", "name": "Ada"},
	})
	var me struct {
		System, Subject, User, Name string
		Authenticated               bool
		Count                       int `json:"cart_count"`
	}
	b.api("/api/me", &me)
	if me.System != "new" || me.Subject != "2" || me.User != "customer1" || me.Name != "Ada" || !me.Authenticated || me.Count != 3 {
		t.Errorf("me %+v", me)
	}
	var contents struct {
		Count int
		Total int `json:"total_cents"`
		Items []struct{ ID, Quantity int }
	}
	b.api("/api/cart", &contents)
	if contents.Count != 3 || contents.Total != 3275 || len(contents.Items) != 3 {
		t.Errorf("cart %+v", contents)
	}
	if w := b.get("/api/nothing"); w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("an unknown API answered %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
}

func TestNew_refusesAPublicURLThatIsNone(t *testing.T) {
	for _, u := range []string{"", "localhost", "://"} {
		if _, err := web.New(web.Config{PublicURL: u}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", u, err)
		}
	}
}
