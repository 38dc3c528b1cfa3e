package web

import (
	"bytes"
	"errors"
	"net/http"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/internal/fault"
)

// withoutSession notes that a page which can do without the session is shown without it.
func (s *Server) withoutSession(r *http.Request, err error) {
	s.log.WarnContext(r.Context(), "page without session", "path", r.URL.Path, "error", err, "request", requestID(r))
}

// sorry is the page for something that did not work.
type sorry struct{ Title, Text, Request string }

// explain gives the status of a failure, and what a visitor may know of it.
func explain(err error) (int, sorry) {
	is := func(kinds ...error) bool {
		for _, kind := range kinds {
			if errors.Is(err, kind) {
				return true
			}
		}
		return false
	}
	switch {
	case is(client.ErrUnavailable):
		return http.StatusServiceUnavailable, sorry{Title: "One moment", Text: "Your cart does not answer right now. It is safe; please try again."}
	case is(client.ErrNotLive, client.ErrConflict, client.ErrNoSession):
		return http.StatusConflict, sorry{Title: "Please try again", Text: "Your session has changed meanwhile, for example by a login in another tab. Nothing was changed."}
	case is(client.ErrLimit):
		return http.StatusRequestEntityTooLarge, sorry{Title: "That is too much", Text: "No more fits into your cart. Nothing was changed."}
	}
	return http.StatusInternalServerError, sorry{Title: "Something burnt", Text: "It is not your fault, and your cart is safe. Please try again."}
}

// fail logs the cause once and answers with a page.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, page := explain(err)
	page.Request = requestID(r)
	s.logFailure(r, status, err)
	var out bytes.Buffer
	if err := s.pages["sorry.html"].ExecuteTemplate(&out, "base.html", frame{Path: "/", Unread: true, Body: page}); err != nil {
		http.Error(w, page.Text, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	failureHeaders(w, status)
	w.WriteHeader(status)
	w.Write(out.Bytes())
}

// failJSON is fail for programs.
func (s *Server) failJSON(w http.ResponseWriter, r *http.Request, err error) {
	status, _ := explain(err)
	s.logFailure(r, status, err)
	failureHeaders(w, status)
	text, hint := fault.Public(err)
	writeJSON(w, status, map[string]any{"error": text, "hint": hint, "request": requestID(r)})
}

func failureHeaders(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", "private, no-store")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
}

func (s *Server) logFailure(r *http.Request, status int, err error) {
	s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path,
		"status", status, "error", err, "request", requestID(r))
}

// requestID is the short id that the edge gave to the request and to the browser.
func requestID(r *http.Request) string { return r.Header.Get("Crossfade-Request") }
