package e2e_test

import (
	"context"
	"html/template"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"crossfade.dev/crossfade/examples/shop/stack"
	"crossfade.dev/crossfade/internal/testenv"
)

// provider is another site: the identity provider, and for one scenario an attacker's page. Its pages hold a
// form whose button posts to the shop.
type provider struct {
	*httptest.Server
	shop string // address of the shop
}

var providerPage = template.Must(template.New("provider").Parse(`<!doctype html><title>Another site</title>
<form method="post" action="{{.Action}}"><input name="state" value="{{.State}}"><input id="user" name="user"><button>Log in</button></form>`))

// newProvider is made before the shop, which must know its address.
func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		path := q.Get("to")
		if path == "" {
			path = "/sso/answer/"
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := providerPage.Execute(w, map[string]string{"Action": p.shop + path, "State": q.Get("state")}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

var ssoRoutes = []string{
	"{path: /sso/answer/, upstream: shop-monolith, callback: true}",
	"{path: /sso/whoever/, upstream: shop-monolith, callback: true}",
	"{path: /sso/, upstream: shop-monolith}",
}

// openWithProvider starts a shop whose customers may log in at the provider.
func openWithProvider(t *testing.T) *shop {
	t.Helper()
	p := newProvider(t)
	s := open(t, stack.Options{
		Customers: 40, Routes: ssoRoutes,
		Env: map[string]string{
			"DJANGO_SETTINGS_MODULE": "sso_settings", "PYTHONPATH": testenv.Root(t) + "/test/e2e/testdata/sso", "SSO_PROVIDER": p.URL,
		},
	})
	s.provider, p.shop = p, s.URL
	return s
}

// loginAtProvider logs in on the other site's page, which posts the answer to the shop.
func (b *tab) loginAtProvider(user string) {
	b.t.Helper()
	b.leave(chromedp.Navigate(b.shop.URL + "/sso/"))
	b.fill("#user", user)
	b.answer()
	b.at("/")
	b.auditFlags(b.cookies())
	b.visit("/") // which asks of the page what every page has to keep
}

// answer sends the other site's form, and waits until the page that it leads to in the end is there.
func (b *tab) answer() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("button"))); err != nil {
		b.t.Fatalf("%s: the form was not sent: %v", b.name, err)
	}
	eventually(b.t, b.name+" is back in the shop", func() bool {
		there, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
			`location.origin === "`+b.shop.URL+`" && !document.getElementById("callback") && document.readyState === "complete"`))
		return err == nil && there
	})
}

// loginElsewhere: whoever governs, a login that another site posts is this browser's, with the cart.
func loginElsewhere(t *testing.T, s *shop) {
	stays := s.visitor(t)
	stays.name = "logged in before the move"
	stays.add(ramen)
	early := s.customer()
	stays.loginAtProvider(early)
	stays.expect("legacy", seen{By: "legacy", User: early, Cart: 1})

	s.everybodyToNew(t)
	stays.visit("/")
	stays.expect("new", seen{By: "new", User: early, Cart: 1})

	b, user := s.visitor(t), s.customer()
	b.add(ramen)
	b.expect("new", seen{By: "new", Cart: 1})
	b.loginAtProvider(user)
	b.expect("new", seen{By: "new", User: user, Cart: 1})

	s.kill(t)
	b.visit("/")
	b.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
	late, other := s.visitor(t), s.customer()
	late.name = "logs in under the kill switch"
	late.add(ramen)
	late.loginAtProvider(other)
	late.expect("legacy", seen{By: "legacy", User: other, Cart: 1})
}

// plantedLogin: an answer that this browser did not ask for is refused, and she stays who she is. What any
// site posts to a callback comes with her session, but never as if it came from the shop.
func plantedLogin(t *testing.T, s *shop) {
	s.everybodyToNew(t)
	b, user := s.shopper(t)
	attacker := b.shop.provider.URL
	b.leave(chromedp.Navigate(attacker + "?state=guessed"))
	b.fill("#user", s.customer())
	b.answer()
	if said := b.text("body"); said != "this browser asked for no login" {
		t.Errorf("the shop says %q", said)
	}
	b.leave(chromedp.Navigate(attacker + "?to=/sso/whoever/"))
	b.answer()
	if said := b.text("body"); said != user+" from "+attacker {
		t.Errorf("the shop says %q", said)
	}
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
}
