package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// visitor is one person with one browser. She knows who she is and what is in her cart, and holds
// every page against it.
type visitor struct {
	base    string
	client  *http.Client
	jar     *cookiejar.Jar
	rand    *rand.Rand
	tally   *tally
	account string // whom she will log in as; empty: she stays a guest

	user     string // whom she is logged in as
	cart     int
	ordered  bool
	unsure   bool // an add-to-cart broke in the middle: the cart may hold one more
	ordering bool // an order broke in the middle: the cart may be empty, because it was placed
}

// errDown says that the edge could not be reached, which the story causes on purpose.
var errDown = errors.New("edge down")

func newVisitor(base, account string, seed uint64, transport http.RoundTripper, t *tally) *visitor {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &visitor{base: base, account: account, jar: jar, tally: t, rand: rand.New(rand.NewPCG(seed, 7)),
		client: &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// live browses until the context ends.
func (v *visitor) live(ctx context.Context, think func() time.Duration) {
	for ctx.Err() == nil {
		if err := v.act(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errDown) {
			v.tally.problem("errors", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(think()):
		}
	}
}

// act does one thing that people do.
func (v *visitor) act(ctx context.Context) error {
	switch {
	case v.cart == 0:
		return v.addToCart(ctx)
	case v.account != "" && v.user == "":
		return v.login(ctx)
	}
	switch n := v.rand.IntN(100); {
	case n < 30:
		_, err := v.visit(ctx, "/")
		return err
	case n < 50:
		_, err := v.visit(ctx, "/cart/")
		return err
	case n < 65:
		return v.poll(ctx)
	case n < 80:
		return v.addToCart(ctx)
	case n < 90 && v.user != "":
		_, err := v.visit(ctx, "/account/")
		return err
	case n < 93 && v.user != "" && !v.ordered && !v.unsure && !v.ordering:
		return v.order(ctx)
	}
	_, err := v.visit(ctx, "/")
	return err
}

func (v *visitor) addToCart(ctx context.Context) error {
	home, err := v.visit(ctx, "/")
	if err != nil {
		return err
	}
	menu, err := v.visit(ctx, v.pick(home.all(store)))
	if err != nil {
		return err
	}
	v.cart++
	v.unsure = true // until an answer has come
	p, err := v.post(ctx, menu, "/cart/add/", url.Values{"item": {v.pick(menu.all(item))}, "next": {"/cart/"}})
	if err != nil {
		return err
	}
	v.unsure = false
	return v.check(p)
}

func (v *visitor) login(ctx context.Context) error {
	form, err := v.visit(ctx, "/accounts/login/")
	if err != nil {
		return err
	}
	p, err := v.send(ctx, form, "/accounts/login/", url.Values{"username": {v.account}, "password": {"bramble-pie"}, "next": {"/"}})
	if err != nil {
		return err
	}
	if p.url == "/accounts/login/" {
		return fmt.Errorf("login of %s refused with status %d", v.account, p.status)
	}
	v.user = v.account
	return v.check(p)
}

func (v *visitor) order(ctx context.Context) error {
	form, err := v.visit(ctx, "/checkout/")
	if err != nil {
		return err
	}
	v.ordering = true
	p, err := v.send(ctx, form, "/checkout/", url.Values{"street": {"1 Hedge Lane"}, "city": {"Bramble"}, "payment": {"card"},
		"attempt": {form.field(attempt)}})
	if err != nil {
		return err
	}
	v.ordering, v.ordered, v.cart = false, true, 0
	if p.field(order) == "" {
		return fmt.Errorf("no receipt after checkout, but %s with status %d", p.url, p.status)
	}
	v.tally.receipts.Add(1)
	return v.check(p)
}

// poll is the fetch that a page makes in the background: it must agree with the page.
func (v *visitor) poll(ctx context.Context) error {
	p, err := v.request(ctx, http.MethodGet, "/api/me", nil, "cors")
	if err != nil {
		return err
	}
	if p.status != http.StatusOK {
		return fmt.Errorf("/api/me answered %d", p.status)
	}
	want := `"user": null`
	if v.user != "" {
		want = fmt.Sprintf(`"user": "%s"`, v.user)
	}
	if !strings.Contains(spaced(p.text), want) {
		v.wrong(spaced(p.text), "in /api/me")
	}
	return nil
}

// spaced brings Go's and Python's JSON to one form.
func spaced(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, `": `, `":`), `":`, `": `)
}

func (v *visitor) pick(from []string) string {
	if len(from) == 0 {
		return "/"
	}
	return from[v.rand.IntN(len(from))]
}

// visit navigates to a page and holds it against what she knows.
func (v *visitor) visit(ctx context.Context, path string) (*page, error) {
	p, err := v.request(ctx, http.MethodGet, path, nil, "navigate")
	if err != nil {
		return p, err
	}
	return p, v.check(p)
}

// post sends a form of a page and follows where it leads, without checking.
func (v *visitor) post(ctx context.Context, from *page, path string, form url.Values) (*page, error) {
	return v.send(ctx, from, path, form)
}

func (v *visitor) send(ctx context.Context, from *page, path string, form url.Values) (*page, error) {
	if token := from.field(csrf); token != "" {
		form.Set("csrfmiddlewaretoken", token)
	}
	return v.request(ctx, http.MethodPost, path, form, "navigate")
}

// request sends one request as a browser would, and follows redirects as navigations.
func (v *visitor) request(ctx context.Context, method, path string, form url.Values, mode string) (*page, error) {
	for range 6 {
		p, next, err := v.once(ctx, method, path, form, mode)
		if err != nil || next == "" {
			return p, err
		}
		method, path, form = http.MethodGet, next, nil
	}
	return nil, fmt.Errorf("too many redirects at %s", path)
}

func (v *visitor) once(ctx context.Context, method, path string, form url.Values, mode string) (*page, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (story)")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", mode)
	if mode == "navigate" {
		req.Header.Set("Sec-Fetch-Dest", "document")
		req.Header.Set("Accept", "text/html")
	} else {
		req.Header.Set("Sec-Fetch-Dest", "empty")
		req.Header.Set("Accept", "application/json")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.base)
		req.Header.Set("Referer", v.base+"/")
	}
	began := time.Now()
	res, err := v.client.Do(req)
	if err != nil {
		return nil, "", v.unreachable(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, "", v.unreachable(ctx, err)
	}
	v.tally.request(time.Since(began))
	v.countCookies(req.URL)
	p := &page{status: res.StatusCode, url: path, text: string(body)}
	if res.StatusCode >= 500 {
		return p, "", fmt.Errorf("%s %s answered %d", method, path, res.StatusCode)
	}
	if res.StatusCode/100 == 3 {
		to, err := res.Location()
		if err != nil {
			return p, "", fmt.Errorf("%s %s: redirect without a target", method, path)
		}
		return p, to.RequestURI(), nil
	}
	return p, "", nil
}

// unreachable tells an edge that the story has killed from an error.
func (v *visitor) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errDown
	}
	if v.tally.edgeDown.Load() {
		v.tally.retries.Add(1)
		return errDown
	}
	return fmt.Errorf("no answer: %w", err)
}

// countCookies finds two session cookies in one browser (I1).
func (v *visitor) countCookies(u *url.URL) {
	var token, legacy bool
	for _, c := range v.jar.Cookies(u) {
		switch c.Name {
		case "cf_session", "__Host-cf_session":
			token = true
		case "sessionid":
			legacy = true
		}
	}
	if token && legacy {
		v.tally.problem("double-cookies", u.Path)
	}
}

// check holds a page against what she knows of herself.
func (v *visitor) check(p *page) error {
	if p.status >= 400 {
		return fmt.Errorf("%s answered %d", p.url, p.status)
	}
	if !p.read() {
		return fmt.Errorf("%s is not a page of the shop", p.url)
	}
	v.tally.saw(v, p.system)
	if p.user != v.user {
		v.wrong(p.user, p.url+" on "+p.system)
		return nil
	}
	switch {
	case v.unsure && (p.cart == v.cart || p.cart == v.cart-1):
		v.cart, v.unsure = p.cart, false
	case v.ordering:
		v.ordered, v.ordering = p.cart == 0, false
		if p.cart != 0 && p.cart != v.cart {
			v.tally.problem("carts-lost", fmt.Sprintf("%d of %d dishes left after an order that broke, %s on %s", p.cart, v.cart, p.url, p.system))
		}
		v.cart = p.cart
	case p.cart < v.cart:
		v.tally.problem("carts-lost", fmt.Sprintf("%d of %d dishes left, %s on %s", p.cart, v.cart, p.url, p.system))
		v.cart = p.cart
	case p.cart > v.cart:
		v.cart = p.cart
	}
	return nil
}

// wrong counts a page that greets somebody else: nobody (logged out), or another person.
func (v *visitor) wrong(got, where string) {
	if got == "" || strings.Contains(got, `"user": null`) {
		v.tally.problem("logged-out", fmt.Sprintf("%s at %s", v.user, where))
		v.user = ""
		return
	}
	v.tally.problem("wrong-user", fmt.Sprintf("%q is served as %q %s", v.user, got, where))
}
