package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/examples/shop/storefront/cart"
)

// maxForm is the largest form in bytes; the largest of ours has a kilobyte.
const maxForm = 16 << 10

// form wraps the handlers of POSTed forms: they change the session, and the browser is sent to the page
// that the form named. A form that the monolith rendered has the same fields, and a CSRF token that is
// not looked at here.
func (s *Server) form(handle func(*http.Request, *visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		v, err := s.visit(r)
		if err == nil {
			err = handle(r, v)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "private, no-store")
		http.Redirect(w, r, next(r.PostForm.Get("next")), http.StatusFound)
	}
}

// next is where a form leads: a path of this site, otherwise the cart.
func next(target string) string {
	const cartPath = "/cart/"
	// Browsers read a backslash as a slash, and drop tabs and line ends: //evil.example in disguise.
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\t\r\n\x00") {
		return cartPath
	}
	if u, err := url.Parse(target); err != nil || u.IsAbs() || u.Host != "" {
		return cartPath
	}
	return target
}

var fullCart = failure(fmt.Sprintf("A cart holds %d different dishes.", cart.MaxLines))

func (s *Server) add(r *http.Request, v *visit) error {
	id, err := strconv.Atoi(r.PostForm.Get("item"))
	item := s.catalogue.Item(id)
	quantity := 1
	if text := r.PostForm.Get("qty"); err == nil && text != "" {
		quantity, err = strconv.Atoi(text)
	}
	if err != nil || item == nil || quantity < 1 || quantity > cart.MaxQuantity {
		return v.write(r.Context(), client.Change{}, failure("That dish is not on the menu any more."))
	}
	err = v.updateCart(r.Context(), func(c cart.Cart) (cart.Cart, error) { return c.Add(item.ID, quantity) },
		success(item.Name+" is in your cart."))
	return v.orFull(r, err)
}

func (s *Server) update(r *http.Request, v *visit) error {
	id, err := strconv.Atoi(r.PostForm.Get("item"))
	quantity, err2 := strconv.Atoi(r.PostForm.Get("qty"))
	if err != nil || err2 != nil || id < 1 || quantity < 0 || quantity > cart.MaxQuantity {
		return v.write(r.Context(), client.Change{}, failure("That quantity does not work."))
	}
	err = v.updateCart(r.Context(), func(c cart.Cart) (cart.Cart, error) { return c.Put(id, quantity) })
	return v.orFull(r, err)
}

func (v *visit) orFull(r *http.Request, err error) error {
	if errors.Is(err, cart.ErrFull) {
		return v.write(r.Context(), client.Change{}, fullCart)
	}
	return err
}

func (s *Server) promo(r *http.Request, v *visit) error {
	code := strings.ToUpper(strings.TrimSpace(r.PostForm.Get("code")))
	if code == "" {
		return v.write(r.Context(), client.Change{Delete: []string{keyPromo}})
	}
	promotion := s.catalogue.Promotion(code)
	if promotion == nil {
		return v.write(r.Context(), client.Change{}, failure("There is no such code."))
	}
	return v.write(r.Context(), client.Change{Set: map[string]any{keyPromo: code}}, success(promotion.Title+"."))
}

func (s *Server) delivery(r *http.Request, v *visit) error {
	field := func(name string, most int) (string, bool) {
		text := strings.TrimSpace(r.PostForm.Get(name))
		return text, utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && !strings.ContainsRune(text, 0)
	}
	street, ok1 := field("street", 80)
	city, ok2 := field("city", 60)
	note, ok3 := field("note", 120)
	if !ok1 || !ok2 || !ok3 || street == "" || city == "" {
		return v.write(r.Context(), client.Change{}, failure("Street and city are needed."))
	}
	to := address{Street: street, City: city, Note: note}
	return v.write(r.Context(), client.Change{Set: map[string]any{keyDelivery: to}}, success(fmt.Sprintf("We deliver to %s, %s.", street, city)))
}
