package e2e_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// setCookie sets a cookie of this site, as a tester does with the developer tools.
func (b *tab) setCookie(name, value string) {
	b.t.Helper()
	yes := true
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.SetCookie, network.SetCookieParams{
			Name: name, Value: value, URL: b.shop.URL + "/", Path: "/", Secure: &yes, HTTPOnly: &yes, SameSite: network.CookieSameSiteLax,
		})
		return err
	}))
}

func magicCookie(t *testing.T, s *shop) {
	var magic struct {
		Cookie string
		Magic  struct{ ID string }
	}
	text := s.command(t, "magic", "issue", "--for", "qa", "--ttl", "1h", "--reason", "test plan", "--json")
	if err := json.Unmarshal([]byte(text), &magic); err != nil || magic.Cookie == "" {
		t.Fatalf("magic issue answers %s (%v)", text, err)
	}

	b, user := s.shopper(t)
	name, value, named := strings.Cut(magic.Cookie, "=")
	if !named {
		name, value = "__Host-cf_magic", magic.Cookie
	}
	b.setCookie(name, value)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})

	// It is bound to her browser now: a copy of it is worth nothing in another.
	copied := b.cookie(name)
	if copied == value {
		t.Error("the cookie was not bound at its first use")
	}
	stranger := b.private()
	stranger.visit("/")
	stranger.setCookie(name, copied)
	stranger.visit("/")
	stranger.expect("legacy", seen{By: "legacy"})

	s.kill(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
	s.command(t, "magic", "revoke", magic.Magic.ID, "--reason", "plan finished")
	eventually(t, "she is back on the monolith", func() bool {
		b.visit("/")
		return b.governed() == "legacy"
	})
	b.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
}

// listen has the page keep what the browser client tells it.
const listen = `window.told = []; crossfade.watch({fetch: true});
	addEventListener("crossfade:change", ({detail}) => told.push(detail.before.system + " to " + detail.after.system + (detail.after.reload ? ", reload" : "")));
	crossfade.handshake().then(({system}) => system)`

func browserClient(t *testing.T, s *shop) {
	s.everybodyToNew(t)
	b, user := s.shopper(t)
	if system := evaluate[string](b, listen); system != "new" {
		t.Fatalf("the first handshake says %s", system)
	}
	s.kill(t)
	b.told("new to legacy, reload")
	if by, who := b.me(); by != "legacy" || who != user {
		t.Errorf("after the kill %s answers for %q", by, who)
	}
	s.lift(t)
	b.told("legacy to new, reload")
	if by, who := b.me(); by != "new" || who != user {
		t.Errorf("after the lifting %s answers for %q", by, who)
	}
	b.reload()
	b.expect("new", seen{By: "new", User: user, Cart: 1})
}

// told makes background requests until the page has been told of a change, and of this one alone.
func (b *tab) told(change string) {
	b.t.Helper()
	eventually(b.t, "the page is told: "+change, func() bool {
		b.me()
		return evaluate[int](b, `told.length`) > 0
	})
	if told := evaluate[[]string](b, `told.splice(0)`); len(told) != 1 || told[0] != change {
		b.t.Errorf("%s: the page was told %q, want %q", b.name, told, change)
	}
}

func edgeDies(t *testing.T, s *shop) {
	s.everybodyToNew(t)
	b, user := s.shopper(t)
	guest := b.private()
	guest.add(ramen)

	s.Crossfade.Kill()
	if err := s.Crossfade.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.visit("/cart/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
	guest.visit("/cart/")
	guest.expect("new", seen{By: "new", Cart: 1})
	s.kill(t)
	b.visit("/orders/")
	b.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
	guest.visit("/cart/")
	guest.expect("legacy", seen{By: "legacy", Cart: 1})
}

func bridgeDown(t *testing.T, s *shop) {
	b, user := s.shopper(t)
	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})

	s.Bridge.Cut()
	defer s.Bridge.Mend()
	s.kill(t)
	for range 2 { // with the ticket, and then with the legacy cookie that it gave her
		b.visit("/orders/")
		b.at("/orders/")
		b.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
	}
	s.Bridge.Mend()
	s.lift(t)
	eventually(t, "she is moved again", func() bool {
		b.visit("/")
		return b.governed() == "new"
	})
	b.expect("new", seen{By: "new", User: user, Cart: 1})
}
