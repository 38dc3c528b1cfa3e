package e2e_test

import (
	"strings"
	"testing"
)

// finish is the last thing that happens to a rollout, and so the last scenario of a shop.
func finish(t *testing.T, s *shop) {
	away, user := s.shopper(t) // she comes back when all is over
	guest := away.private()
	guest.add(ramen)
	here, other := s.shopper(t)
	s.everybodyToNew(t)
	here.visit("/")
	here.expect("new", seen{By: "new", User: other, Cart: 1})

	said := s.command(t, "rollout", "finish", "sessions", "--reason", "four weeks at 100%")
	for _, line := range []string{"finished", "First:", "Then remove, in this order:", legacyCookie, "the last legacy session has expired",
		"Keep:\n  - the bridge to http://", "/admin/", "- the session middleware of crossfade.django"} {
		if !strings.Contains(said, line) {
			t.Errorf("the finish does not speak of %q:\n%s", line, said)
		}
	}
	if again := s.command(t, "rollout", "finish", "sessions", "--dry-run"); !strings.Contains(again, "- the bridge to") {
		t.Errorf("the list cannot be read again:\n%s", again)
	}
	if system := s.governs(t); system != "new" {
		t.Errorf("after the finish a newcomer is governed by %s", system)
	}
	here.visit("/cart/")
	here.expect("new", seen{By: "new", User: other, Cart: 1})

	// Cookies of the monolith are still worth what they were.
	if away.cookie(legacyCookie) == "" || guest.cookie(legacyCookie) == "" {
		t.Fatal("those who were away hold no legacy cookie: this shows nothing")
	}
	away.visit("/orders/")
	away.at("/orders/")
	away.expect("new", seen{By: "legacy", User: user, Cart: 1})
	guest.visit("/cart/")
	guest.expect("new", seen{By: "new", Cart: 1})

	for _, args := range [][]string{{"kill", "sessions"}, {"kill", "sessions", "--rehearsal"}, {"rollout", "rollback", "sessions"}} {
		said, err := s.Command(t.Context(), append(args, "--reason", "too late")...)
		if err == nil || !strings.Contains(said, "is finished: there is no way back") {
			t.Errorf("%v after the finish says (%v): %s", args, err, said)
		}
	}
	away.add(ramen)
	away.expect("new", seen{By: "new", User: user, Cart: 2})
	here.visit("/account/")
	here.press("form.logout button")
	here.expect("new", seen{By: "new"})
}
