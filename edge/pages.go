package edge

import (
	"bytes"
	_ "embed" // the page is part of the binary
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// answer writes a denial: a redirect, a page for people, or JSON for programs. Each quotes the request id.
func (d *denial) answer(w http.ResponseWriter, req Request, id string) {
	h := w.Header()
	h.Set("Cache-Control", noStore)
	h.Set("X-Content-Type-Options", "nosniff")
	if d.location != "" {
		h.Set("Location", d.location)
		w.WriteHeader(d.status)
		return
	}
	if d.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	if d.status == http.StatusUnauthorized {
		h.Set("Www-Authenticate", "Session")
	}
	var body bytes.Buffer
	if wantsPage(req) && !d.program {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
		h.Set("Referrer-Policy", "same-origin")
		err := pageTemplate.Execute(&body, map[string]any{"Status": d.status, "Title": d.title, "Text": d.text, "Request": id})
		if err != nil {
			panic(err) // strings and an integer always render
		}
	} else {
		h.Set("Content-Type", "application/json")
		text, err := json.Marshal(map[string]string{"error": d.code, "message": d.text, "request": id})
		if err != nil {
			panic(err) // strings always marshal
		}
		body.Write(append(text, '\n'))
	}
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(d.status)
	if req.Method() != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // a client that went away is no news
	}
}

const noStore = "private, no-store"

func notFound() *denial {
	return &denial{
		status: http.StatusNotFound, code: "not_found", title: "There is nothing here",
		text: "The address may be mistyped, or the page has moved.",
	}
}

// noTrace refuses what asks to be told the request as it arrives: the context and the legacy key that are added
// here are for upstreams alone.
func noTrace(h http.Header) *denial {
	h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	return &denial{
		status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "That does not work here",
		text: "Requests are not told back as they arrive.",
	}
}

func badRequest() *denial {
	return &denial{
		status: http.StatusBadRequest, code: "bad_request", title: "That address makes no sense",
		text: "Part of it can be read in more than one way, so it was not passed on.",
	}
}
