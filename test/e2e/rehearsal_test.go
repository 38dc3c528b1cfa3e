package e2e_test

import (
	"strings"
	"testing"
)

// rehearsal kills for staff alone: for customers, guests and newcomers nothing happens, not even a new epoch.
func rehearsal(t *testing.T, s *shop) {
	robin := s.visitor(t)
	robin.add(ramen)
	robin.visit("/accounts/login/?next=/")
	robin.login("staff")
	customer, user := s.shopper(t)
	guest := customer.private()
	guest.add(ramen)
	s.everybodyToNew(t)
	robin.visit("/")
	robin.expect("new", seen{By: "new", User: "staff", Cart: 1})
	robin.office("/admin/")
	robin.expectOffice("Robin")
	customers := func(cart int) {
		t.Helper()
		customer.add(ramen)
		customer.expect("new", seen{By: "new", User: user, Cart: cart})
		guest.add(ramen)
		guest.expect("new", seen{By: "new", Cart: cart})
	}
	customers(2)
	epoch := customer.epoch
	form := robin.another("form from before the rehearsal")
	form.visit(ramen)

	said := s.command(t, "kill", "sessions", "--rehearsal", "--reason", "monthly exercise")
	if !strings.Contains(said, "in force at every edge") {
		t.Errorf("the rehearsal is not reported as in force: %s", said)
	}
	customers(3)
	if system, who := customer.me(); system != "new" || who != user {
		t.Errorf("during the rehearsal %s answers a customer's page for %q", system, who)
	}
	if system := s.governs(t); system != "new" {
		t.Errorf("during the rehearsal a newcomer is governed by %s", system)
	}
	form.press(".item form.add button")
	form.expect("legacy", seen{By: "legacy", User: "staff", Cart: 2})
	robin.visit("/account/")
	robin.at("/account/")
	robin.expect("legacy", seen{By: "legacy", User: "staff", Cart: 2})
	robin.office("/admin/")
	robin.expectOffice("Robin")

	s.command(t, "kill", "lift", "sessions", "--reason", "it works")
	robin.visit("/cart/")
	robin.expect("new", seen{By: "new", User: "staff", Cart: 2})
	robin.office("/admin/")
	robin.expectOffice("Robin")
	customers(4)
	if customer.epoch != epoch {
		t.Errorf("the exercise took customers from epoch %s to %s", epoch, customer.epoch)
	}
}
