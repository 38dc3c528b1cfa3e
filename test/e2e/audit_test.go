package e2e_test

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// The names of session cookies in the browser.
const (
	newCookie    = "__Host-cf_session"
	legacyCookie = "sessionid"
	csrfCookie   = "csrftoken"
)

// cookieLimit is what all of Crossfade's cookies may take together, names included.
const cookieLimit = 1 << 10

// audit asks of a page what holds for every page: cookies, flags, secrets, and a handshake that agrees.
func (b *tab) audit() {
	b.t.Helper()
	cookies := b.cookies()
	b.auditSession(cookies)
	b.auditFlags(cookies)
	b.auditScripts()
	b.auditHandshake(cookies)
}

func (b *tab) cookies() []*network.Cookie {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{URLs: []string{b.shop.URL + "/", b.shop.URL + "/checkout/"}})
	})
	if err != nil {
		b.t.Fatalf("%s: cookies: %v", b.name, err)
	}
	return result.Cookies
}

func (b *tab) cookieNames() []string {
	var names []string
	for _, c := range b.cookies() {
		names = append(names, c.Name+" "+c.Path)
	}
	return names
}

// cookie is the value of the browser's cookie; empty: it has none.
func (b *tab) cookie(name string) string {
	b.t.Helper()
	for _, c := range b.cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// auditSession: one session cookie, and the one of the system that governs.
func (b *tab) auditSession(cookies []*network.Cookie) {
	b.t.Helper()
	var sessions []string
	for _, c := range cookies {
		if strings.HasSuffix(c.Name, "cf_session") || c.Name == legacyCookie {
			sessions = append(sessions, c.Name)
		}
	}
	page := b.seen()
	if len(sessions) > 1 || len(sessions) == 0 && (page.User != "" || page.Cart > 0) {
		b.t.Errorf("%s: %s has the session cookies %q, want exactly one", b.name, b.path(), sessions)
		return
	}
	if want := map[string]string{"new": newCookie, "legacy": legacyCookie}[b.governed()]; len(sessions) == 1 && sessions[0] != want {
		b.t.Errorf("%s: %s is governed by %s and holds %s", b.name, b.path(), b.governed(), sessions[0])
	}
}

// auditFlags: names, flags and size.
func (b *tab) auditFlags(cookies []*network.Cookie) {
	b.t.Helper()
	size, visitor := 0, false
	for _, c := range cookies {
		if !c.Secure || !c.HTTPOnly && c.Name != csrfCookie || c.Path != "/" || c.SameSite != network.CookieSameSiteLax {
			b.t.Errorf("%s: cookie %s: Secure %v, HttpOnly %v, Path %s, SameSite %s", b.name, c.Name, c.Secure, c.HTTPOnly, c.Path, c.SameSite)
		}
		bare, host := strings.CutPrefix(c.Name, "__Host-")
		if !strings.HasPrefix(bare, "cf_") {
			continue
		}
		if !host || c.Domain != "localhost" {
			b.t.Errorf("%s: cookie %s of domain %q is not bound to its host", b.name, c.Name, c.Domain)
		}
		size += len(c.Name) + len(c.Value)
		visitor = visitor || bare == "cf_visitor"
	}
	if size > cookieLimit || !visitor {
		b.t.Errorf("%s: Crossfade's cookies take %d bytes of %d, visitor cookie: %v", b.name, size, cookieLimit, visitor)
	}
}

// auditScripts: a script sees Django's CSRF cookie and no other.
func (b *tab) auditScripts() {
	b.t.Helper()
	text := evaluate[string](b, `document.cookie`)
	for pair := range strings.SplitSeq(text, "; ") {
		if name, _, _ := strings.Cut(pair, "="); name != "" && name != csrfCookie {
			b.t.Errorf("%s: a script on %s sees the cookie %s", b.name, b.path(), name)
		}
	}
}

// auditHandshake: the page that has just come and the handshake take the same branch, and the answer
// tells nothing that a script may not know. Right after a page it can move nobody.
func (b *tab) auditHandshake(cookies []*network.Cookie) {
	b.t.Helper()
	answer := evaluate[struct {
		Status      int
		Text, Cache string
		Headers     string
	}](b, `fetch("/_crossfade/handshake").then(async (r) => ({Status: r.status, Text: await r.text(),
		Cache: r.headers.get("Cache-Control"), Headers: JSON.stringify([...r.headers])}))`)
	var shake struct{ System, Kind, Epoch string }
	if err := json.Unmarshal([]byte(answer.Text), &shake); err != nil || answer.Status != 200 || answer.Cache != "private, no-store" {
		b.t.Fatalf("%s: handshake: status %d, Cache-Control %q, %s", b.name, answer.Status, answer.Cache, answer.Text)
	}
	page := b.seen()
	if shake.System != b.governed() || shake.Epoch != b.epoch || (shake.Kind == "authenticated") != (page.User != "") {
		b.t.Errorf("%s: %s for %q under %s, and the handshake says %s", b.name, b.path(), page.User, b.epoch, answer.Text)
	}
	for _, c := range cookies {
		if c.Name != csrfCookie && len(c.Value) > 8 && strings.Contains(answer.Text+answer.Headers, c.Value) {
			b.t.Errorf("%s: the handshake tells the value of %s", b.name, c.Name)
		}
	}
	if strings.Contains(answer.Text+answer.Headers, "cf1_") || strings.Contains(answer.Text+answer.Headers, "cfg1_") {
		b.t.Errorf("%s: the handshake tells a token: %s", b.name, answer.Text)
	}
}
