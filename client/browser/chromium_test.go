package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"crossfade.dev/crossfade/client/browser"
	"crossfade.dev/crossfade/internal/testenv"
)

// TestClient plays testdata/cases.js, each in a fresh environment, in a real browser.
func TestClient(t *testing.T) {
	site := newEdge(t)
	page := open(t, testenv.Browser(t), site.url+"/cases")
	names := evaluate[[]string](t, page, `import("/testdata/cases.js").then(({cases}) => Object.keys(cases))`)
	if len(names) == 0 {
		t.Fatal("no cases in testdata/cases.js")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			quoted, _ := json.Marshal(name)
			if failure := evaluate[string](t, page, fmt.Sprintf(`import("/testdata/cases.js").then(({run}) => run(%s))`, quoted)); failure != "" {
				t.Error(failure)
			}
		})
	}
}

// TestPage plays whole pages against an edge that changes its mind.
func TestPage(t *testing.T) {
	chromium := testenv.Browser(t)

	t.Run("a classic script leaves one name", func(t *testing.T) {
		site := newEdge(t)
		page := open(t, chromium, site.url+"/plain")
		before := evaluate[[]string](t, page, `Object.keys(window)`)
		load(t, page, `/_crossfade/client.js`, "")
		after := evaluate[[]string](t, page, `Object.keys(window)`)
		if len(after) != len(before)+1 || after[len(after)-1] != "crossfade" {
			t.Errorf("names before: %d, after: %d, last %q", len(before), len(after), after[len(after)-1])
		}
	})
	t.Run("loaded in both forms it is one client", func(t *testing.T) {
		site := newEdge(t)
		page := open(t, chromium, site.url+"/plain")
		load(t, page, `/_crossfade/client.js`, "")
		if !evaluate[bool](t, page, `import("/_crossfade/client.js?module").then((m) => m.default === crossfade && m.fetch === crossfade.fetch)`) {
			t.Error("two clients in one page")
		}
	})
	t.Run("a fetch of the page finds out, and the page is told", func(t *testing.T) {
		site := newEdge(t)
		page := open(t, chromium, site.url+"/plain")
		load(t, page, `/_crossfade/client.js`, "")
		evaluate[any](t, page, `crossfade.watch({fetch: true}), crossfade.handshake()`)
		site.govern("new", "4.n")
		got := evaluate[string](t, page, `new Promise((told) => {
			addEventListener("crossfade:change", ({detail}) => told(detail.before.system + " to " + detail.after.system + ", reload " + detail.after.reload));
			fetch("/api");
		})`)
		if got != "legacy to new, reload true" {
			t.Errorf("told %q", got)
		}
	})
	t.Run("with data-watch and no inline script the page reloads itself, once", func(t *testing.T) {
		site := newEdge(t)
		page := open(t, chromium, site.url+"/watching")
		site.await(t, 1)
		site.govern("new", "4.n")
		evaluate[any](t, page, `fetch("/api")`)
		site.await(t, 3) // the one that answered reload, and the first of the page anew
		if n := site.served("/watching"); n != 2 {
			t.Errorf("the page was served %d times", n)
		}
	})
	t.Run("back to a page that slept asks again", func(t *testing.T) {
		site := newEdge(t)
		page := open(t, chromium, site.url+"/listening")
		site.await(t, 1)
		run(t, page, chromedp.Navigate(site.url+"/plain"))
		site.govern("new", "4.n")
		// Not NavigateBack: it waits for a load event, and a page that wakes up has none.
		run(t, page, chromedp.Evaluate[chromedp.Void](`history.back()`))
		site.await(t, 2)
		if system := evaluate[string](t, page, `crossfade.handshake().then(({system}) => system)`); system != "new" {
			t.Errorf("the page takes the branch of %q", system)
		}
		if n := site.served("/listening"); n != 1 {
			t.Errorf("the page did not sleep: it was served %d times", n)
		}
	})
	t.Run("an edge that is gone throws nothing into the page", func(t *testing.T) {
		site := newEdge(t)
		page := open(t, chromium, site.url+"/watching")
		site.await(t, 1)
		evaluate[any](t, page, `window.thrown = [], addEventListener("error", (e) => thrown.push(e.message)), addEventListener("unhandledrejection", (e) => thrown.push(String(e.reason)))`)
		evaluate[any](t, page, `crossfade.handshake()`) // none is under way after this
		site.server.CloseClientConnections()
		site.server.Close()
		if reason := evaluate[string](t, page, `crossfade.handshake().then(({reason}) => reason)`); reason != "unreachable" {
			t.Errorf("reason %q", reason)
		}
		if thrown := evaluate[[]string](t, page, `thrown`); len(thrown) > 0 {
			t.Errorf("thrown into the page: %q", thrown)
		}
	})
	t.Run("it stores nothing", func(t *testing.T) {
		site := newEdge(t)
		page := open(t, chromium, site.url+"/watching")
		site.await(t, 1)
		got := evaluate[string](t, page, `(async () => JSON.stringify([document.cookie, localStorage.length, sessionStorage.length,
			(await indexedDB.databases()).length, (await caches.keys()).length, window.name]))()`)
		if got != `["",0,0,0,0,""]` {
			t.Errorf("cookies, storages, databases, caches, name: %s", got)
		}
	})
}

// edge is a site with the client, a handshake and the epoch on every response.
type edge struct {
	url     string
	server  *httptest.Server
	visited chan struct{} // one value for each handshake

	mu     sync.Mutex
	system string
	epoch  string
	pages  map[string]int
	seen   int
}

func newEdge(t *testing.T) *edge {
	t.Helper()
	e := &edge{system: "legacy", epoch: "3.l", pages: map[string]int{}, visited: make(chan struct{}, 100)}
	mux := http.NewServeMux()
	mux.Handle("GET /_crossfade/client.js", browser.Handler())
	mux.HandleFunc("GET /_crossfade/handshake", e.handshake)
	mux.Handle("GET /testdata/", http.FileServer(http.Dir(".")))
	mux.HandleFunc("GET /api", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /", e.page)
	e.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		w.Header().Set("Crossfade-Epoch", e.epoch)
		e.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	e.url = e.server.URL
	t.Cleanup(e.server.Close)
	return e
}

func (e *edge) handshake(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := r.URL.Query().Get("epoch")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"system": e.system, "kind": "guest", "epoch": e.epoch, "reason": "serve_" + e.system,
		"reload": old != "" && old != e.epoch,
	})
	e.visited <- struct{}{}
}

// watching says which pages load the client, and with what in data-watch.
var watching = map[string]string{"/watching": "fetch reload", "/listening": "fetch"}

// page is a document with a policy that forbids inline scripts.
func (e *edge) page(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.pages[r.URL.Path]++
	e.mu.Unlock()
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Security-Policy", "default-src 'self'")
	_, _ = w.Write([]byte("<!doctype html><link rel=icon href=data:,><title>page</title>"))
	if watch, ok := watching[r.URL.Path]; ok {
		_, _ = fmt.Fprintf(w, `<script src="/_crossfade/client.js" data-watch="%s"></script>`, watch)
	}
}

func (e *edge) govern(system, epoch string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.system, e.epoch = system, epoch
}

func (e *edge) served(path string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pages[path]
}

// await waits until n handshakes were answered, counted from the start.
func (e *edge) await(t *testing.T, n int) {
	t.Helper()
	for ; e.seen < n; e.seen++ {
		select {
		case <-e.visited:
		case <-time.After(20 * time.Second):
			t.Fatalf("handshake %d of %d never came", e.seen+1, n)
		}
	}
}

// open opens a tab of its own on a URL.
func open(t *testing.T, chromium context.Context, url string) context.Context {
	t.Helper()
	tab, closeTab := chromedp.NewContext(chromium)
	t.Cleanup(closeTab)
	run(t, tab, chromedp.Navigate(url))
	limited, stop := context.WithTimeout(tab, time.Minute) // a page that hangs fails its own test only
	t.Cleanup(stop)
	return limited
}

func run(t *testing.T, tab context.Context, action chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, action); err != nil {
		t.Fatal(err)
	}
}

// load adds a script element and waits for it.
func load(t *testing.T, tab context.Context, src, kind string) {
	t.Helper()
	evaluate[bool](t, tab, fmt.Sprintf(`new Promise((done, fail) => {
		const script = Object.assign(document.createElement("script"), {src: %q, type: %q, onload: () => done(true), onerror: fail});
		document.head.append(script);
	})`, src, kind))
}

// evaluate runs an expression in the page and waits for its promise.
func evaluate[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}
