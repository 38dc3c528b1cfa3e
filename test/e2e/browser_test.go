package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"crossfade.dev/crossfade/internal/testenv"
)

// tab is one tab of a visitor's browser. What she does in it is what she could do: addresses and clicks.
type tab struct {
	t     *testing.T
	shop  *shop
	ctx   context.Context
	name  string
	epoch string // as the last page had it
}

// seen is what a page says about itself and its visitor.
type seen struct {
	By   string // who rendered it: legacy, new
	User string // whom it greets; empty: a guest
	Cart int    // how many dishes its header counts
}

// visitor starts a browser with a fresh profile. It keeps no page alive behind the back button: the driver
// hears nothing more of a tab that is woken from there. (The browser client's tests wake one.)
func (s *shop) visitor(t *testing.T) *tab {
	t.Helper()
	return s.tab(t, testenv.Browser(t, chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,BackForwardCache")), "tab")
}

// another opens a second tab in the same browser.
func (b *tab) another(name string) *tab {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	b.t.Cleanup(stop)
	return b.shop.tab(b.t, ctx, name)
}

// private opens a private window, which shares nothing with the others.
func (b *tab) private() *tab {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(stop)
	return b.shop.tab(b.t, ctx, "private window")
}

func (s *shop) tab(t *testing.T, ctx context.Context, name string) *tab {
	t.Helper()
	b := &tab{t: t, shop: s, ctx: ctx, name: name}
	b.do(chromedp.EmulateViewport(1280, 1600))
	t.Cleanup(b.photograph)
	return b
}

// visit opens an address, as from the address bar.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.land(chromedp.Navigate(b.shop.URL + path))
}

// press clicks something that leads to a page: a link or the button of a form.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.land(chromedp.Click(chromedp.CSS(selector)))
}

// reload is the button beside the address bar.
func (b *tab) reload() {
	b.t.Helper()
	b.land(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.Reload, page.ReloadParams{})
		return err
	}))
}

// land does what leads to a page, waits for it, and asks of it what every page has to keep.
func (b *tab) land(action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.leave(action)
	b.audit()
}

// leave is land for pages that are none of the shop's own: the admin.
func (b *tab) leave(action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := b.navigate(action); err != nil {
		b.t.Fatal(err)
	}
}

// navigate does what leads to a page and waits for it. It is for any goroutine.
func (b *tab) navigate(action chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, action)
	switch {
	case err != nil:
		return fmt.Errorf("%s: no page came: %w", b.name, err)
	case response == nil:
		return fmt.Errorf("%s: no page was asked for", b.name)
	case response.Status >= 400:
		return fmt.Errorf("%s: %s answered %d", b.name, response.URL, response.Status)
	}
	b.epoch = header(response, "Crossfade-Epoch")
	return nil
}

func header(response *network.Response, name string) string {
	for k, v := range response.Headers {
		if strings.EqualFold(k, name) {
			return fmt.Sprint(v)
		}
	}
	return ""
}

// fill types into a field.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// login logs in on the page that a guest gets for the address.
func (b *tab) login(user string) {
	b.t.Helper()
	b.loginWith(user, password)
}

func (b *tab) loginWith(user, password string) {
	b.t.Helper()
	b.fill("#id_username", user)
	b.fill("#id_password", password)
	b.press("main form button")
}

// seen is what the page says now, which a script of the shop may have changed since it came.
func (b *tab) seen() seen {
	b.t.Helper()
	return evaluate[seen](b, pageState)
}

// pageState is the expression behind seen.
const pageState = `({By: document.body.dataset.system, User: document.body.dataset.user, Cart: +document.body.dataset.cart})`

// expect holds the page against what the visitor knows of herself.
func (b *tab) expect(governed string, want seen) {
	b.t.Helper()
	if got := b.seen(); got != want {
		b.t.Errorf("%s: %s is rendered by %q for %q with %d in the cart; want %q, %q, %d",
			b.name, b.path(), got.By, got.User, got.Cart, want.By, want.User, want.Cart)
	}
	if got := b.governed(); got != governed {
		b.t.Errorf("%s: %s is governed by %s, want %s", b.name, b.path(), got, governed)
	}
}

func (b *tab) governed() string { return governed(b.epoch) }

func (b *tab) path() string {
	b.t.Helper()
	return evaluate[string](b, `decodeURIComponent(location.pathname + location.search)`)
}

// at fails unless the tab shows a path.
func (b *tab) at(path string) {
	b.t.Helper()
	if got := b.path(); got != path {
		b.t.Fatalf("%s: it shows %s, want %s", b.name, got, path)
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("%s: %s on %s: %v", b.name, selector, b.path(), err)
	}
	return text
}

// me is what a background request of the page learns.
func (b *tab) me() (system, user string) {
	b.t.Helper()
	answer := evaluate[struct {
		System string
		User   string
	}](b, `fetch("/api/me").then((r) => r.json())`)
	return answer.System, answer.User
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	// The first call of a tab makes it, and its deadline would be the tab's.
	if chromedp.FromContext(b.ctx).Target == nil {
		if err := chromedp.Do(b.ctx); err != nil {
			b.t.Fatalf("%s: %v", b.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", b.name, err)
	}
}

// evaluate runs an expression in the page and waits for its promise.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %s: %v", b.name, expression, err)
	}
	return value
}

// photograph keeps what the tab shows when the test has failed.
func (b *tab) photograph() {
	if !b.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("%s: no screenshot: %v", b.name, err)
		return
	}
	dir := filepath.Join(testenv.Root(b.t), ".build", "e2e")
	name := strings.NewReplacer("/", "-", ",", "", " ", "_").Replace(b.t.Name()+"-"+b.name) + ".png"
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), picture, 0o644)
	}
	if err != nil {
		b.t.Logf("%s: no screenshot: %v", b.name, err)
		return
	}
	b.t.Logf("%s: what it showed is in .build/e2e/%s", b.name, name)
	if cookies, err := json.Marshal(b.cookieNames()); err == nil {
		b.t.Logf("%s: cookies: %s", b.name, cookies)
	}
}
