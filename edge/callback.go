package edge

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page is part of the binary
	"encoding/base64"
	"html"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A login that ends with a form which the identity provider's page posts here (SAML's POST binding, OpenID
// Connect's form_post) comes without SameSite=Lax cookies: nobody can tell whose it is, and no cookie of
// ours may be written. On a route that is marked as a callback such a form is not passed on. It is
// answered with a page that posts the same fields again, now from this site, and with all cookies.
//
// The second post must not pass for the site's own doing: an application that compares Origin would be
// told a lie. So its address carries a sealed mark with the origin of the first, and the application
// gets that origin, as if the form had come straight from there.

const (
	callbackLimit  = 1 << 20 // bytes of a form; SAML answers have 10 to 100 KB
	callbackFields = 1000    // as many as Django takes
	callbackParam  = "_crossfade="
	purposePosted  = "callback"
	// maxOrigin is more than any origin has: a host name has 253 bytes at most.
	maxOrigin = 512
)

const formType = "application/x-www-form-urlencoded"

//go:embed callback.html
var callbackText string

var callbackTemplate = template.Must(template.New("callback").Parse(callbackText))

// The button is for who has no scripts; with them the page is gone before it appears. A document with an
// opaque origin, in a sandbox, would post without cookies again, so it does not post by itself. A field may
// be named "submit", hence the prototype's method.
const (
	callbackScript = `if (self.origin !== "null") HTMLFormElement.prototype.submit.call(document.getElementById("callback"))`
	callbackStyle  = `body{min-height:100vh;margin:0;display:grid;place-items:center;text-align:center;font:1rem/1.55 system-ui,sans-serif}` +
		`form{animation:late 0s 1s both}@keyframes late{from{visibility:hidden}}button{font:inherit;padding:.5rem 1.2rem}`
)

// callbackPolicy lets nothing run or load but the two texts above. There is no form-action: browsers hold
// it against redirects as well, and where the application leads next is its own affair.
var callbackPolicy = "default-src 'none'; script-src " + hashSource(callbackScript) + "; style-src " + hashSource(callbackStyle) +
	"; base-uri 'none'; frame-ancestors 'none'"

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// posted is what a form that was posted again says of the first time.
type posted struct {
	again  bool
	origin string // the page that it came from; "null": nobody knows
}

// callBack has a form of another site posted again from this one, and reports whether it did: then the
// request is answered. Any other request on a callback route goes on as it came.
func (t *trip) callBack() (answered bool) {
	from := t.e.originOf(t.req)
	var marked bool
	if t.r.URL.RawQuery, marked = t.takeMark(t.r.URL.RawQuery); marked {
		// Posted from another site once more it goes on as it came: nobody gains by a mark, and there is no
		// going round in circles.
		t.posted.again = from != crossSite && from != sameSite && !safe(t.r.Method)
		return false
	}
	if from != crossSite || !t.isCallback() {
		return false
	}
	t.guardBody()
	body, err := io.ReadAll(t.r.Body)
	if err != nil {
		if stall, _ := t.body.gaveUp(); stall { // too large it is not: its length was announced
			t.Header().Set("Connection", "close") // what is left of the body would pass for the next request
			t.refuse(stalled())
			return true
		}
		t.status = 499 // nobody is there to read it
		panic(http.ErrAbortHandler)
	}
	t.now, t.standing = t.e.deps.Clock(), t.e.standings.now() // the sender had all the time that it wanted
	fields, ok := formFields(string(body))
	if !ok {
		t.r.Body = io.NopCloser(bytes.NewReader(body))
		t.count(CountCallbackAsIs)
		return false
	}
	t.count(CountCallback)
	t.postAgain(fields)
	return true
}

// isCallback reports whether a person's browser sent a form that a page can send again. In a frame cookies
// would not come the second time either.
func (t *trip) isCallback() bool {
	if t.r.Method != http.MethodPost || early(t.req) || t.req.Header("Upgrade") != "" || !wantsPage(t.req) {
		return false
	}
	if dest := t.req.Header("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return false
	}
	kind, params, err := mime.ParseMediaType(t.req.Header("Content-Type"))
	charset, named := params["charset"]
	ok := err == nil && kind == formType && (!named || strings.EqualFold(charset, "utf-8")) && t.req.Header("Content-Encoding") == "" &&
		t.r.ContentLength >= 0 && t.r.ContentLength <= callbackLimit
	if !ok {
		t.count(CountCallbackAsIs)
	}
	return ok
}

// refusedStranger says that an application answered a form of another site with an error. A login that
// compares what comes back with what the session has finds no session, and that looks like this.
func (p *passage) refusedStranger(status int) {
	form := strings.HasPrefix(p.req.Header("Content-Type"), formType)
	if status < 400 || status > 499 || p.req.Method() != http.MethodPost || p.from != crossSite || p.route.Callback || !form || !wantsPage(p.req) {
		return
	}
	p.count(CountCrossSiteNo)
	if p.e.strangers.due(p.now) {
		p.e.deps.Log.Warn("a form of another site was refused by the application: its cookies stayed at home",
			"request", p.id, "route", p.route.Path, "path", p.req.Path(), "status", status,
			"hint", "if it is a login or a payment that comes back, give its path a route with callback: true")
	}
}

// formField is one pair of a form, decoded.
type formField struct{ Name, Value string }

// formFields reads a form in its order. It refuses what a page could not send again as it was: what is not
// UTF-8, and what HTML cannot hold or gives a meaning of its own.
func formFields(body string) (fields []formField, ok bool) {
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		var errs [2]error
		var f formField
		f.Name, errs[0] = url.QueryUnescape(name)
		f.Value, errs[1] = url.QueryUnescape(value)
		if errs[0] != nil || errs[1] != nil || len(fields) == callbackFields || !keepsInHTML(f.Name) || !keepsInHTML(f.Value) ||
			f.Name == "" || strings.EqualFold(f.Name, "_charset_") {
			return nil, false
		}
		fields = append(fields, f)
	}
	return fields, true
}

// keepsInHTML reports whether a browser would send the text as it is here. It knows no NUL, and makes every
// line end CR LF, which a form that a browser sent has already.
func keepsInHTML(s string) bool {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return false
	}
	return strings.Count(s, "\r\n") == strings.Count(s, "\r") && strings.Count(s, "\r\n") == strings.Count(s, "\n")
}

// postAgain answers with the page. The address stays as it was, with the mark at its end.
func (t *trip) postAgain(fields []formField) {
	action := "?"
	if q := t.r.URL.RawQuery; q != "" {
		action += q + "&"
	}
	action += callbackParam + t.mark()
	var page bytes.Buffer
	err := callbackTemplate.Execute(&page, map[string]any{
		"Style": template.CSS(callbackStyle), "Script": template.JS(callbackScript), "Fields": fields,
		// Escaped here, since the template would also spell the query anew.
		"Action": template.HTMLAttr(`action="` + html.EscapeString(action) + `"`),
	})
	if err != nil {
		panic(err) // texts always render
	}
	h := t.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("Cache-Control", noStore)
	h.Set("Content-Security-Policy", callbackPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with less the second post would have no Origin
	h["Crossfade-Request"] = []string{t.id}
	t.WriteHeader(http.StatusOK)
	_, _ = t.Write(page.Bytes()) // a client that went away is no news
}

// mark seals where the form came from.
func (t *trip) mark() string {
	origin := t.req.Header("Origin")
	if origin == "" || len(origin) > maxOrigin {
		origin = opaqueOrigin
	}
	return cookieEncoding.EncodeToString(t.e.deps.Ring.Seal(purposePosted, []byte(origin)))
}

// opaqueOrigin is how browsers write an origin that they do not tell.
const opaqueOrigin = "null"

// takeMark takes the mark off a query, and notes what it says. One that does not open is a mark all the
// same: it can only make less of a request.
func (t *trip) takeMark(query string) (rest string, marked bool) {
	at := strings.LastIndex(query, callbackParam)
	if at < 0 || at > 0 && query[at-1] != '&' || strings.IndexByte(query[at:], '&') >= 0 {
		return query, false
	}
	t.posted.origin = opaqueOrigin
	if raw, err := cookieEncoding.DecodeString(query[at+len(callbackParam):]); err == nil {
		if plain, err := t.e.deps.Ring.Open(purposePosted, raw); err == nil {
			t.posted.origin = string(plain)
		}
	}
	return query[:max(0, at-1)], true
}

// tellOrigin gives an application the headers of the first post. Where the form lay is not known any more.
func (p *posted) tellOrigin(h http.Header) {
	if !p.again {
		return
	}
	h.Set("Origin", p.origin)
	if h.Get("Sec-Fetch-Site") != "" {
		h.Set("Sec-Fetch-Site", "cross-site")
	}
	h.Del("Referer")
}
