package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// office opens a page of the admin, which is a tool: it stays on sessions of the monolith, whoever governs.
func (b *tab) office(path string) {
	b.t.Helper()
	b.leave(chromedp.Navigate(b.shop.URL + path))
	cookies := b.cookies()
	b.auditFlags(cookies)
	b.auditScripts()
	names := map[string]int{}
	for _, c := range cookies {
		names[c.Name]++
	}
	if names[newCookie]+names[legacyCookie] > 1 || names["__Host-cf_tools"] > 1 {
		b.t.Errorf("%s: cookies in the admin: %v", b.name, names)
	}
}

// expectOffice fails unless the tab shows the admin as a member of staff.
func (b *tab) expectOffice(user string) {
	b.t.Helper()
	if who := evaluate[string](b, `document.querySelector("#user-tools strong")?.textContent ?? "nobody"`); who != user {
		b.t.Errorf("%s: the admin at %s greets %q, want %q", b.name, b.path(), who, user)
	}
}

// rename does real work in the admin: it opens a store's form and saves it with another tagline.
func (b *tab) rename(tagline string) {
	b.t.Helper()
	b.office("/admin/stores/store/1/change/")
	b.fill("#id_tagline", tagline)
	b.leave(chromedp.Click(chromedp.CSS(`input[name="_save"]`)))
	if said := b.text(".messagelist"); !strings.Contains(said, "changed successfully") {
		b.t.Errorf("%s: the admin says %s", b.name, said)
	}
}

func admin(t *testing.T, s *shop) {
	b := s.visitor(t)
	b.visit("/accounts/login/?next=/")
	b.login("staff")
	b.expect("legacy", seen{By: "legacy", User: "staff"})
	b.office("/admin/")
	b.expectOffice("Robin")
	b.rename("before")

	s.everybodyToNew(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: "staff"})
	b.office("/admin/")
	b.expectOffice("Robin")
	form := b.another("form from before the kill")
	form.office("/admin/stores/store/1/change/")
	b.rename("during")
	b.visit(ramen)
	b.expect("new", seen{By: "new", User: "staff"})

	s.kill(t)
	b.office("/admin/")
	b.expectOffice("Robin")
	form.fill("#id_tagline", "sent after the kill")
	form.leave(chromedp.Click(chromedp.CSS(`input[name="_save"]`)))
	form.expectOffice("Robin")
	b.visit("/")
	b.expect("legacy", seen{By: "legacy", User: "staff"})
	b.rename("after")

	s.lift(t)
	b.visit("/")
	b.expect("new", seen{By: "new", User: "staff"})
	b.office("/admin/")
	b.expectOffice("Robin")

	// Logged out in the shop, she is out of the admin too: it is one lineage.
	b.visit("/account/")
	b.press("form.logout button")
	b.expect("new", seen{By: "new"})
	b.office("/admin/")
	b.expectOffice("nobody")
}

func adminFirst(t *testing.T, s *shop) {
	s.everybodyToNew(t)
	b := s.visitor(t)
	b.add(ramen)
	b.expect("new", seen{By: "new", Cart: 1})
	b.office("/admin/")
	b.at("/admin/login/?next=/admin/")
	b.fill("#id_username", "staff")
	b.fill("#id_password", password)
	b.leave(chromedp.Click(chromedp.CSS(`input[type="submit"]`)))
	b.expectOffice("Robin")
	b.rename("tools session")

	// The shop's session is another: the guest is still one, with the cart.
	b.visit("/")
	b.expect("new", seen{By: "new", Cart: 1})
	s.kill(t)
	b.office("/admin/")
	b.expectOffice("Robin")
	b.visit("/")
	b.expect("legacy", seen{By: "legacy", Cart: 1})
	b.office("/admin/")
	b.expectOffice("Robin")
}
