package web

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/examples/shop"
	"crossfade.dev/crossfade/examples/shop/storefront/cart"
)

// frame is what every page shows around its content.
type frame struct {
	Path     string // for "log in and come back"
	Script   bool
	CSRF     string
	Known    bool // somebody is logged in
	Customer customer
	Delivery address
	Unread   bool // the session could not be read: the cart is not empty, but unknown
	Count    int
	Bill     cart.Bill
	Messages []message
	Body     any
}

// parsePages makes one template per page, each with the frame around it.
func parsePages() (map[string]*template.Template, error) {
	names, err := fs.Glob(templates, "templates/[a-z]*.html")
	if err != nil {
		return nil, err
	}
	base, err := template.New("base.html").Funcs(template.FuncMap{
		"sign": sign, "thumb": thumb, "sub": func(a, b int) int { return a - b }, "add": func(a, b int) int { return a + b },
	}).ParseFS(templates, "templates/frame/*.html")
	if err != nil {
		return nil, err
	}
	pages := make(map[string]*template.Template, len(names))
	for _, name := range names {
		page, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if pages[path.Base(name)], err = page.ParseFS(templates, name); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// sign is an icon of the interface, in the colour of the text around it. Names come from templates and
// the catalogue, never from visitors.
func sign(name string, css ...string) template.HTML {
	class := "sign"
	if len(css) > 0 {
		class = css[0]
	}
	return template.HTML(fmt.Sprintf(`<svg class="%s" aria-hidden="true"><use href="/static/shop/sprite.svg#%s"/></svg>`,
		template.HTMLEscapeString(class), template.HTMLEscapeString(name)))
}

// thumb is a dish on the tint of its store.
func thumb(icon string, hue int) template.HTML {
	return template.HTML(fmt.Sprintf(`<span class="thumb" style="--hue:%d">%s</span>`, hue, sign(icon, "")))
}

// show renders a page whole before a byte of it is sent, and takes the messages that it shows out of
// the session.
func (s *Server) show(w http.ResponseWriter, r *http.Request, v *visit, status int, page string, body any) {
	token, err := s.csrfToken(w, r, v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f := frame{Path: r.URL.RequestURI(), Script: s.script, CSRF: token, Body: body}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		f.Path = "/"
	}
	if v != nil {
		f.Customer, f.Known = v.customer()
		f.Unread = v.unread
		f.Delivery, f.Count = v.delivery(), v.cart().Count()
		f.Bill = v.cart().Bill(s.catalogue, v.promo())
		f.Messages = s.takeMessages(r.Context(), v)
	}
	var out bytes.Buffer
	if err := s.pages[page].ExecuteTemplate(&out, "base.html", f); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-cache")
	w.WriteHeader(status)
	w.Write(out.Bytes())
}

// takeMessages is best effort: a message that cannot be taken out is shown again, which harms nobody.
func (s *Server) takeMessages(ctx context.Context, v *visit) []message {
	messages := v.messages()
	if len(messages) > 0 {
		if err := v.write(ctx, client.Change{Delete: []string{keyMessages}}); err != nil {
			s.log.WarnContext(ctx, "messages stay in the session", "error", err)
		}
	}
	return messages
}

type homePage struct {
	Cuisine  string
	Cuisines []*shop.Store // one of each
	Stores   []*shop.Store
	Recent   []*shop.Store
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.withoutSession(r, err)
	}
	page := homePage{Cuisine: r.URL.Query().Get("cuisine"), Cuisines: s.catalogue.Stores}
	for _, store := range s.catalogue.Stores {
		if page.Cuisine == "" || page.Cuisine == store.Cuisine {
			page.Stores = append(page.Stores, store)
		}
	}
	for _, slug := range v.recent() {
		if store := s.catalogue.Store(slug); store != nil {
			page.Recent = append(page.Recent, store)
		}
	}
	s.show(w, r, v, http.StatusOK, "home.html", page)
}

func (s *Server) store(w http.ResponseWriter, r *http.Request) {
	store := s.catalogue.Store(r.PathValue("slug"))
	if store == nil {
		s.notFound(w, r)
		return
	}
	v, err := s.visit(r)
	if err != nil {
		s.withoutSession(r, err)
	}
	s.remember(r.Context(), v, store.Slug)
	s.show(w, r, v, http.StatusOK, "store.html", store)
}

// remember puts a store in front of the recently viewed ones, for visitors of whom something is kept
// already: looking at a menu makes no session. It is best effort.
func (s *Server) remember(ctx context.Context, v *visit, slug string) {
	before := v.recent()
	if len(v.values) == 0 || len(before) > 0 && before[0] == slug {
		return
	}
	recent := append([]string{slug}, slices.DeleteFunc(before, func(s string) bool { return s == slug })...)
	change := client.Change{Set: map[string]any{keyRecent: recent[:min(len(recent), recentLength)]}}
	if err := v.write(ctx, change); err != nil {
		s.log.WarnContext(ctx, "a viewed store is not remembered", "error", err)
	}
}

func (s *Server) cartPage(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.show(w, r, v, http.StatusOK, "cart.html", nil)
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.withoutSession(r, err)
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "no such address"})
		return
	}
	s.show(w, r, v, http.StatusNotFound, "notfound.html", nil)
}
