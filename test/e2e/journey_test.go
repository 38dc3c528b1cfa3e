package e2e_test

import (
	"strings"
	"testing"
)

// add puts the first dish of a store's menu into the cart.
func (b *tab) add(store string) {
	b.t.Helper()
	if b.path() != store {
		b.visit(store)
	}
	b.press(".item form.add button")
}

// ramen is a store of the catalogue.
const ramen = "/stores/kori-ramen/"

func guestIsMoved(t *testing.T, s *shop) {
	b := s.visitor(t)
	b.visit("/")
	b.expect("legacy", seen{By: "legacy"})
	b.add(ramen)
	b.add(ramen)
	b.expect("legacy", seen{By: "legacy", Cart: 2})

	s.everybodyToNew(t)
	b.visit("/cart/")
	b.expect("new", seen{By: "new", Cart: 2})
	b.add(ramen)
	b.expect("new", seen{By: "new", Cart: 3})

	s.kill(t)
	b.visit("/cart/")
	b.expect("legacy", seen{By: "legacy", Cart: 3})
}

func wholeJourney(t *testing.T, s *shop) {
	user := s.customer()
	b := s.visitor(t)
	b.visit("/")
	b.add(ramen)
	b.expect("legacy", seen{By: "legacy", Cart: 1})

	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", Cart: 1})
	b.add(ramen)
	b.expect("new", seen{By: "new", Cart: 2})

	// The monolith logs her in while new governs.
	b.visit("/cart/")
	b.press("aside a.button")
	b.at("/accounts/login/?next=/checkout/")
	b.login(user)
	b.at("/checkout/")
	b.expect("new", seen{By: "legacy", User: user, Cart: 2})

	b.fill("#id_street", "1 Hedge Lane")
	b.fill("#id_city", "Bramble")
	b.press("form.checkout button")
	order := evaluate[string](b, `document.querySelector("[data-order]")?.dataset.order ?? ""`)
	if order == "" || !strings.HasPrefix(b.path(), "/orders/") {
		t.Fatalf("no receipt, but %s", b.path())
	}
	b.expect("new", seen{By: "legacy", User: user})
	b.visit("/")
	b.expect("new", seen{By: "new", User: user})
	b.add(ramen)
	b.expect("new", seen{By: "new", User: user, Cart: 1})

	s.kill(t)
	b.visit("/")
	b.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
	b.visit("/orders/")
	if history := b.text("main"); !strings.Contains(history, order) {
		t.Errorf("order %s is not in her history: %s", order, history)
	}

	s.lift(t)
	b.visit("/cart/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})

	// Out on new …
	b.visit("/account/")
	b.press("form.logout button")
	b.expect("new", seen{By: "new"})
	b.visit("/orders/")
	b.at("/accounts/login/?next=/orders/")
	// … is out on legacy.
	s.kill(t)
	b.visit("/")
	b.expect("legacy", seen{By: "legacy"})
	b.visit("/orders/")
	b.at("/accounts/login/?next=/orders/")
}

func signUp(t *testing.T, s *shop) {
	s.everybodyToNew(t)
	b := s.visitor(t)
	b.add(ramen)
	b.visit("/accounts/signup/?next=/cart/")
	for field, text := range map[string]string{"username": "newcomer", "first_name": "Nia", "email": "nia@shop.example",
		"password1": "thornless-tart", "password2": "thornless-tart"} {
		b.fill("#id_"+field, text)
	}
	b.press("main form button")
	b.at("/cart/")
	b.expect("new", seen{By: "new", User: "newcomer", Cart: 1})
	s.kill(t)
	b.visit("/account/")
	b.at("/account/")
	b.expect("legacy", seen{By: "legacy", User: "newcomer", Cart: 1})
}
