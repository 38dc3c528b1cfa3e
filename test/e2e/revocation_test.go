package e2e_test

import (
	"io"
	"net/http"
	"regexp"
	"testing"
)

// out navigates until the session is seen to be over: on the very next page, within the published bound.
func (b *tab) out(governed string) {
	b.t.Helper()
	eventually(b.t, b.name+" is logged out", func() bool {
		b.visit("/")
		return b.seen().User == ""
	})
	b.visit("/orders/")
	b.at("/accounts/login/?next=/orders/")
	if got := b.governed(); got != governed {
		b.t.Errorf("%s: governed by %s, want %s", b.name, got, governed)
	}
}

func passwordChange(t *testing.T, s *shop) {
	here, user := s.shopper(t)
	s.everybodyToNew(t)
	here.visit("/")
	here.expect("new", seen{By: "new", User: user, Cart: 1})
	there := here.private()
	there.name = "other browser"
	there.visit("/accounts/login/?next=/")
	there.login(user)
	there.expect("new", seen{By: "new", User: user})

	here.visit("/account/password/")
	here.fill("#id_old_password", password)
	here.fill("#id_new_password1", "thornless-tart")
	here.fill("#id_new_password2", "thornless-tart")
	here.press("main form button")
	here.at("/account/")
	here.expect("new", seen{By: "legacy", User: user, Cart: 1})

	there.out("new")
	here.visit("/")
	here.expect("new", seen{By: "new", User: user, Cart: 1})

	// The way back keeps both: who is in, and who is out.
	s.kill(t)
	here.visit("/")
	here.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
	there.out("legacy")
	there.visit("/accounts/login/?next=/")
	there.loginWith(user, "thornless-tart")
	there.expect("legacy", seen{By: "legacy", User: user})
}

func operatorEnds(t *testing.T, s *shop) {
	b, user := s.shopper(t)
	stays := b.private()
	stays.name = "on the monolith"
	stays.visit("/accounts/login/?next=/")
	stays.login(user)
	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
	subject := evaluate[string](b, `fetch("/api/me").then((r) => r.json()).then((me) => me.subject)`)

	s.command(t, "session", "end", "--subject", subject, "--reason", "stolen laptop")
	b.out("new")
	stays.out("new")
	s.kill(t)
	b.out("legacy")
	stays.out("legacy")
}

// endedWhileOpen: a page that is open when an operator ends the subject's sessions learns of it with its next
// request, in the background or not, whichever system serves it.
func endedWhileOpen(t *testing.T, s *shop) {
	user := s.customer()
	for _, system := range []string{"new", "legacy"} {
		if system == "new" {
			s.everybodyToNew(t)
		} else {
			s.kill(t)
		}
		one := s.visitor(t)
		two := s.visitor(t)
		two.name = "other browser"
		for _, b := range []*tab{one, two} {
			b.visit("/accounts/login/?next=/orders/")
			b.login(user)
			b.at("/orders/")
			b.expect(system, seen{By: "legacy", User: user})
		}
		subject := evaluate[string](one, `fetch("/api/me").then((r) => r.json()).then((me) => me.subject)`)
		s.command(t, "session", "end", "--subject", subject, "--reason", "stolen laptop")
		if system == "legacy" {
			s.legacyKnows(t) // in the new system it is in force when the command has answered
		}
		if by, who := one.me(); by != system || who != "" {
			t.Errorf("after the end %s answers the page for %q", by, who)
		}
		for _, b := range []*tab{one, two} {
			b.visit("/orders/")
			b.at("/accounts/login/?next=/orders/")
			b.expect(system, seen{By: "legacy"})
		}
		two.login(user) // and the end is no ban
		two.at("/orders/")
		two.expect(system, seen{By: "legacy", User: user})
	}
}

func plantedCookie(t *testing.T, s *shop) {
	attacker := s.visitor(t)
	attacker.visit("/accounts/login/?next=/")
	attacker.login(s.customer())
	planted := attacker.cookie(legacyCookie)

	s.everybodyToNew(t)
	b, user := s.shopper(t)
	b.setCookie(legacyCookie, planted)
	b.visit("/")
	b.expect("new", seen{By: "new", User: user, Cart: 1})
	if b.cookie(legacyCookie) != "" {
		t.Error("the planted cookie is still there")
	}
	s.kill(t)
	b.setCookie(legacyCookie, planted)
	b.visit("/orders/")
	b.expect("legacy", seen{By: "legacy", User: user, Cart: 1})
}

// logoutHolds: a logout in either system is one in both, and the cookies of before are worth nothing.
func logoutHolds(t *testing.T, s *shop) {
	s.everybodyToNew(t)
	logoutOn(t, s, "new", s.kill)
	logoutOn(t, s, "legacy", s.lift)
}

func logoutOn(t *testing.T, s *shop, system string, cross func(*testing.T)) {
	t.Helper()
	b, _ := s.shopper(t)
	b.visit("/account/")
	before := b.cookies()
	b.press("form.logout button")
	b.expect(system, seen{By: system})

	nobody := func(where string) {
		t.Helper()
		b.visit("/orders/")
		b.at("/accounts/login/?next=/orders/")
		if page := b.seen(); page.User != "" || page.Cart != 0 {
			t.Errorf("logged out on %s, %s she is %+v", system, where, page)
		}
	}
	replay := func() {
		t.Helper()
		for _, c := range before {
			b.setCookie(c.Name, c.Value)
		}
	}
	nobody("there")
	replay()
	nobody("there, with the cookies of before")
	cross(t)
	nobody("in the other system")
	replay()
	nobody("in the other system, with the cookies of before")
}

// legacyKnows waits until the monolith has confirmed every end.
func (s *shop) legacyKnows(t *testing.T) {
	t.Helper()
	eventually(t, "legacy has confirmed every end", func() bool {
		res, err := s.client.Get(s.InternalURL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("/metrics answers %d (%v)", res.StatusCode, err)
		}
		return outstandingEnds.FindStringSubmatch(string(text))[1] == "0"
	})
}

var outstandingEnds = regexp.MustCompile(`(?m)^crossfade_ends_outstanding(?:\{[^}]*\})? (\S+)$`)
