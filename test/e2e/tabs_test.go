package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// shopper is a customer on the monolith, logged in, with one dish in the cart.
func (s *shop) shopper(t *testing.T) (b *tab, user string) {
	t.Helper()
	b, user = s.visitor(t), s.customer()
	b.visit(ramen)
	b.add(ramen)
	b.visit("/accounts/login/?next=/")
	b.login(user)
	b.at("/")
	b.expect(b.governed(), seen{By: b.governed(), User: user, Cart: 1})
	return b, user
}

// handover changes the system while the tabs of one browser navigate at the same time, each until it has
// arrived. On every page on the way she is who she is.
func handover(t *testing.T, change func(*testing.T), system string, want seen, to map[*tab]string) {
	t.Helper()
	var all sync.WaitGroup
	for b, path := range to {
		all.Go(func() {
			if err := b.cross(path, system, want); err != nil {
				t.Error(err)
			}
		})
	}
	change(t)
	all.Wait()
	for b := range to {
		b.audit()
		want.By = system
		b.expect(system, want)
	}
}

// cross navigates to one page until a system governs. It is for any goroutine.
func (b *tab) cross(path, system string, want seen) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		if err := b.navigate(chromedp.Navigate(b.shop.URL + path)); err != nil {
			return err
		}
		got, err := chromedp.Run(ctx, chromedp.Evaluate[seen](pageState))
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if got.User != want.User || got.Cart != want.Cart || got.By != b.governed() {
			return fmt.Errorf("%s: on the way to %s, under %s, the page is %+v", b.name, system, b.epoch, got)
		}
		if b.governed() == system {
			return nil
		}
	}
	return fmt.Errorf("%s: never came to %s", b.name, system)
}

func tabsAtOnce(t *testing.T, s *shop) {
	one, user := s.shopper(t)
	tabs := map[*tab]string{one: "/", one.another("second tab"): "/cart/", one.another("third tab"): ramen}
	want := seen{User: user, Cart: 1}
	handover(t, s.everybodyToNew, "new", want, tabs)
	for range 2 {
		handover(t, s.kill, "legacy", want, tabs)
		handover(t, s.lift, "new", want, tabs)
	}
}

func backButton(t *testing.T, s *shop) {
	b, user := s.shopper(t)
	b.visit(ramen)
	b.visit("/cart/")
	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
	b.add("/stores/patty-works/")
	b.expect("new", seen{By: "new", User: user, Cart: 2})

	// Back through the pages of the new system to one that the monolith rendered.
	for b.path() != ramen {
		b.back()
	}
	eventually(t, "the page shows the cart of now", func() bool { return b.seen().Cart == 2 })
	b.press(".item form.add button")
	b.at(ramen)
	b.expect("new", seen{By: "new", User: user, Cart: 3})

	// And after a kill, back to pages of the new system.
	b.visit("/cart/")
	s.kill(t)
	b.visit("/")
	b.expect("legacy", seen{By: "legacy", User: user, Cart: 3})
	for b.path() != ramen {
		b.back()
	}
	b.press(".item form.add button")
	b.expect("legacy", seen{By: "legacy", User: user, Cart: 4})
}

// back is the back button. A page that the browser kept wakes up without a load event, so what is waited
// for is the place in the history. Between two pages the tab may have nobody to answer.
func (b *tab) back() {
	b.t.Helper()
	before, err := b.place()
	if err != nil {
		b.t.Fatalf("%s: %v", b.name, err)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	eventually(b.t, "one page back", func() bool {
		place, err := b.place()
		return err == nil && place == before-1
	})
}

// place is the index of the page in the tab's history, once the page is complete.
func (b *tab) place() (int64, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	complete, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState === "complete"`))
	if err == nil && !complete {
		err = errors.New("the page is not complete")
	}
	if err != nil {
		return 0, err
	}
	history, err := chromedp.Run(ctx, chromedp.NavigationEntries())
	return history.CurrentIndex, err
}

func privateWindow(t *testing.T, s *shop) {
	b, user := s.shopper(t)
	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})

	p := b.private()
	p.visit("/")
	p.expect("new", seen{By: "new"})
	p.visit("/orders/")
	p.at("/accounts/login/?next=/orders/")
	if p.cookie("__Host-cf_visitor") == b.cookie("__Host-cf_visitor") {
		t.Error("the private window has the visitor cookie of the other")
	}
	p.add(ramen)
	p.add(ramen)
	p.expect("new", seen{By: "new", Cart: 2})
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
}

// watch polls /api/me from the page without a pause, until told to stop, and keeps every answer.
const watch = `window.answers = []; window.watching = true; (async () => {
	while (watching) {
		try {
			const r = await fetch("/api/me");
			answers.push(r.ok ? (await r.json()).user ?? "" : "status " + r.status);
		} catch (error) { answers.push(String(error)); }
	}
})(); undefined`

func pollDuringLogin(t *testing.T, s *shop) {
	for _, system := range []string{"legacy", "new"} {
		if system == "new" {
			s.everybodyToNew(t)
		}
		b, user := s.visitor(t), s.customer()
		b.visit(ramen)
		b.add(ramen)
		watcher := b.another("polling tab")
		watcher.visit("/cart/")
		watcher.do(chromedp.Evaluate[chromedp.Void](watch))
		eventually(t, "the watcher polls", func() bool { return evaluate[int](watcher, `answers.length`) > 3 })

		b.visit("/accounts/login/?next=/")
		b.login(user)
		b.expect(system, seen{By: system, User: user, Cart: 1})
		eventually(t, "the watcher learns of the login", func() bool { return evaluate[string](watcher, `answers.at(-1)`) == user })
		if system == "new" {
			s.kill(t)
			b.visit("/")
			b.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
		}
		after := evaluate[int](watcher, `answers.length`)
		eventually(t, "the watcher polls on", func() bool { return evaluate[int](watcher, `answers.length`) > after+3 })
		checkAnswers(t, user, evaluate[[]string](watcher, `watching = false, answers`))
	}
}

// checkAnswers: nobody, then the user, and never again nobody.
func checkAnswers(t *testing.T, user string, answers []string) {
	t.Helper()
	known := false
	for i, answer := range answers {
		if answer != user && (known || answer != "") {
			t.Errorf("answer %d of %d is for %q, known before: %v", i, len(answers), answer, known)
		}
		known = known || answer == user
	}
}
