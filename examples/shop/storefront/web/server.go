// Package web is the storefront's pages: stores, menus and the cart, at the addresses that the monolith
// had, with the same forms and the same session keys.
//
// Invariant: what a visitor did in either system holds in the other, because every value that a page
// keeps is in the session under the monolith's key and in its shape. main serves it; the session comes
// from the Crossfade client library.
package web

import (
	"embed"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"

	"crossfade.dev/crossfade/examples/shop"
	"crossfade.dev/crossfade/internal/fault"
)

//go:embed templates
var templates embed.FS

// Config is what the storefront needs to know.
type Config struct {
	Catalogue *shop.Catalogue
	Sessions  Sessions
	PublicURL string    // where browsers reach the shop; decides about Secure cookies
	Random    io.Reader // for CSRF tokens
	// CSRFInSession is the monolith's CSRF_USE_SESSIONS: its token is in the session, not in a cookie.
	CSRFInSession bool
	Log           *slog.Logger
	// BrowserClient puts Crossfade's browser client into the pages; false without Crossfade.
	BrowserClient bool
}

// Server answers requests. It is an http.Handler and holds nothing that changes.
type Server struct {
	catalogue *shop.Catalogue
	sessions  Sessions
	random    io.Reader
	log       *slog.Logger
	secure    bool
	inSession bool // where the CSRF secret is
	script    bool
	pages     map[string]*template.Template
	mux       *http.ServeMux
	handler   http.Handler
}

// New builds the pages.
func New(c Config) (*Server, error) {
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fault.New(fault.Invalid, "the public URL %q is not a URL", c.PublicURL).
			WithHint("set SHOP_PUBLIC_URL to the address that browsers use, such as https://shop.example")
	}
	s := &Server{
		catalogue: c.Catalogue, sessions: c.Sessions, random: c.Random, log: c.Log,
		secure: public.Scheme == "https", inSession: c.CSRFInSession, script: c.BrowserClient,
	}
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	s.routes()
	// The edge checks this as well; a service that changes things on behalf of a cookie checks itself.
	guard := http.NewCrossOriginProtection()
	if err := guard.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, err
	}
	s.handler = guard.Handler(s.mux)
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Public answers what needs no session, the assets and the health check, and leaves the rest to next.
func Public(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("GET /static/shop/", http.StripPrefix("/static/shop/", cached(http.FileServerFS(shop.Assets()))))
	mux.Handle("/", next)
	return mux
}

// cached lets browsers keep an asset for five minutes; compiled-in files have no time of change.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		next.ServeHTTP(w, r)
	})
}

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /{$}", s.home)
	s.mux.HandleFunc("GET /stores/{slug}/{$}", s.store)
	s.mux.HandleFunc("GET /cart/{$}", s.cartPage)
	s.mux.HandleFunc("POST /cart/add/{$}", s.form(s.add))
	s.mux.HandleFunc("POST /cart/update/{$}", s.form(s.update))
	s.mux.HandleFunc("POST /cart/promo/{$}", s.form(s.promo))
	s.mux.HandleFunc("POST /cart/delivery/{$}", s.form(s.delivery))
	s.mux.HandleFunc("GET /api/me", s.apiMe)
	s.mux.HandleFunc("GET /api/cart", s.apiCart)
	s.mux.HandleFunc("/", s.notFound)
}
