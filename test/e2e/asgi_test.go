package e2e_test

import (
	"testing"

	"crossfade.dev/crossfade/examples/shop/stack"
)

// TestShopAsync is the shop as other sites run theirs: Django under ASGI, and its CSRF token in the session
// (CSRF_USE_SESSIONS). A form from before a handover then passes only if its token came along.
func TestShopAsync(t *testing.T) {
	s := open(t, stack.Options{ASGI: true, Env: map[string]string{"SHOP_CSRF_USE_SESSIONS": "1"}})
	s.play(t, []scenario{
		{"a customer shops through a move, a kill and its lifting with one login", wholeJourney},
		{"a form opened on the monolith is sent after the move", formBeforeMove},
		{"a form opened on the new system is sent after the kill", formBeforeKill},
		{"a login form is sent after a handover that another tab made", loginFormSurvives},
		{"the CSRF token is nowhere but in the session", tokenInSession},
	})
}

// tokenInSession makes sure that the scenarios before it showed something: no cookie holds the token, and
// Django refuses a form without it, in the session that was moved and in the one that was restored.
func tokenInSession(t *testing.T, s *shop) {
	b, user := s.shopper(t)
	s.everybodyToNew(t)
	for _, system := range []string{"new", "legacy"} {
		b.visit("/account/")
		b.expect(system, seen{By: "legacy", User: user, Cart: 1})
		if b.cookie(csrfCookie) != "" {
			t.Errorf("governed by %s there is a CSRF cookie", system)
		}
		if status := evaluate[int](b, withoutToken); status != 403 {
			t.Errorf("governed by %s a form without its token is answered with status %d", system, status)
		}
		b.fill("#id_last_name", "Lovelace of "+system)
		b.press("main form.fields button")
		b.expect(system, seen{By: "legacy", User: user, Cart: 1})
		if system == "new" {
			s.kill(t)
		}
	}
}

// withoutToken sends the page's form as a script of the page would, but for the token.
const withoutToken = `(() => {
	const form = new URLSearchParams(new FormData(document.querySelector("main form.fields")));
	form.delete("csrfmiddlewaretoken");
	return fetch("/account/", {method: "POST", body: form}).then((r) => r.status);
})()`
