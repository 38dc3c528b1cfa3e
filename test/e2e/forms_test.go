package e2e_test

import (
	"strings"
	"testing"
)

func formBeforeMove(t *testing.T, s *shop) {
	b, user := s.shopper(t)
	dish, address, checkout, profile := b.another("menu"), b.another("address form"), b.another("checkout form"), b.another("profile form")
	dish.visit(ramen)
	address.visit("/cart/")
	checkout.visit("/checkout/")
	profile.visit("/account/")

	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
	sendForms(t, "new", user, dish, address, checkout, profile)
}

func formBeforeKill(t *testing.T, s *shop) {
	b, user := s.shopper(t)
	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
	dish, address, checkout, profile := b.another("menu"), b.another("address form"), b.another("checkout form"), b.another("profile form")
	dish.visit(ramen)
	dish.expect("new", seen{By: "new", User: user, Cart: 1})
	address.visit("/cart/")
	checkout.visit("/checkout/")
	profile.visit("/account/")

	// A guest whose CSRF cookie the storefront made: Django has not seen her yet.
	guest := b.private()
	guest.visit(ramen)

	// Nobody has navigated since the kill: the form itself is what brings her back.
	s.kill(t)
	sendForms(t, "legacy", user, dish, address, checkout, profile)
	guest.press(".item form.add button")
	guest.expect("legacy", seen{By: "legacy", Cart: 1})
}

// sendForms sends what was opened before the handover: two forms that both systems serve, and three that
// only Django does.
func sendForms(t *testing.T, system, user string, dish, address, checkout, profile *tab) {
	t.Helper()
	dish.press(".item form.add button")
	dish.expect(system, seen{By: system, User: user, Cart: 2})

	address.fill("#id_street", "1 Hedge Lane")
	address.fill("#id_city", "Bramble")
	address.press("#delivery form button")
	address.expect(system, seen{By: system, User: user, Cart: 2})
	if where := address.text("a.where"); !strings.Contains(where, "1 Hedge Lane") {
		t.Errorf("the address did not arrive: %s", where)
	}

	profile.fill("#id_last_name", "Lovelace")
	profile.press("main form.fields button")
	profile.expect(system, seen{By: "legacy", User: user, Cart: 2})
	if said := profile.text(".messages"); !strings.Contains(said, "Saved.") {
		t.Errorf("the profile form says %s", said)
	}

	checkout.fill("#id_street", "2 Hedge Lane")
	checkout.fill("#id_city", "Bramble")
	checkout.press("form.checkout button")
	if !strings.HasPrefix(checkout.path(), "/orders/") {
		t.Fatalf("no receipt, but %s", checkout.path())
	}
	checkout.expect(system, seen{By: "legacy", User: user})
	dish.visit("/cart/")
	dish.expect(system, seen{By: system, User: user})
}

// loginFormSurvives is the same for a guest's login form, which only Django serves. The handover happens in
// another tab.
func loginFormSurvives(t *testing.T, s *shop) {
	for _, system := range []string{"new", "legacy"} {
		b, user := s.visitor(t), s.customer()
		b.add(ramen)
		form := b.another("login form")
		form.visit("/accounts/login/?next=/cart/")
		if system == "new" {
			s.everybodyToNew(t)
		} else {
			s.kill(t)
		}
		b.visit("/")
		b.expect(system, seen{By: system, Cart: 1})
		form.login(user)
		form.at("/cart/")
		form.expect(system, seen{By: system, User: user, Cart: 1})
	}
}
