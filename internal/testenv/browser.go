package testenv

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browserLife ends a browser that hangs. A whole end-to-end story takes a fraction of it.
const browserLife = 4 * time.Minute

// Browser starts a headless Chromium with a fresh profile, for chromedp.Do and Run. It takes self-signed
// certificates and ends with the test. More tabs: chromedp.NewContext of the returned context; a private
// window: with chromedp.WithNewBrowserContext.
func Browser(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	base := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(Chromium(t)),
		chromedp.IgnoreCertErrors,
		chromedp.WSURLReadTimeout(time.Minute), // a cold start on a busy machine
	)
	deadline, stop := context.WithTimeout(context.Background(), browserLife)
	t.Cleanup(stop)
	allocator, stopAllocator := chromedp.NewExecAllocator(deadline, append(base, options...)...)
	t.Cleanup(stopAllocator)
	browser, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("testenv: the browser does not start: %v", err)
	}
	return browser
}
