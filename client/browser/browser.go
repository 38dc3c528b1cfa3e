// Package browser carries the browser client, one file without dependencies, and serves it.
//
// Invariant: a page gets the client of the edge that serves it, so that the two always agree; the ES
// module and the classic script are one text. The edge serves [Handler] at /_crossfade/client.js.
package browser

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the client is part of the binary
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

//go:embed crossfade.js
var source string

// exports begins the only statement that a classic script may not contain.
const exports = "\nexport {"

// Module is the client as an ES module.
func Module() string { return source }

// Classic is the client as a classic script: without the export, and with its names kept to itself. It
// leaves globalThis.crossfade.
func Classic() string {
	body, _, _ := strings.Cut(source, exports)
	return "(() => {\n\"use strict\";\n" + body + "\n})();\n"
}

// Handler serves the client to GET and HEAD: the classic script, or with the query "?module" the module.
// The path is the caller's.
func Handler() http.Handler {
	classic, module := newScript(Classic()), newScript(Module())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("module") {
			module.ServeHTTP(w, r)
			return
		}
		classic.ServeHTTP(w, r)
	})
}

// maxAge lets a page load the client without asking, and a new edge's client arrive within minutes.
const maxAge = 10 * time.Minute

// script is one text with its entity tag.
type script struct {
	text []byte
	tag  string
}

func newScript(text string) *script {
	sum := sha256.Sum256([]byte(text))
	return &script{text: []byte(text), tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds())))
	h.Set("ETag", s.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.text))
}
