package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// cookieWriter writes and deletes cookies, each with the attributes that it was or will be set with: a
// deletion that repeats other attributes leaves the cookie where it is.
type cookieWriter struct {
	names    cookieNames
	own      string // attributes of Crossfade's cookies
	visitor  string // those of the visitor cookie, which is never Strict: it must be known on every entry
	legacy   LegacyCookie
	legacyAt string // attributes of the legacy cookie
	secure   bool
	related  []string
}

func newCookieWriter(cfg Config) *cookieWriter {
	secure := !cfg.insecure()
	w := &cookieWriter{names: namesOf(!secure, cfg.Legacy.Cookie.Name), legacy: cfg.Legacy.Cookie, secure: secure, related: cfg.Legacy.Related}
	w.own = attributes("/", "", secure, cfg.Cookies.SameSite, cfg.Cookies.Partitioned)
	w.visitor = w.own
	c := cfg.Legacy.Cookie
	w.legacyAt = attributes(c.Path, c.Domain, c.Secure, c.SameSite, false)
	return w
}

func attributes(path, domain string, secure bool, same http.SameSite, partitioned bool) string {
	out := "; Path=" + path
	if domain != "" {
		out += "; Domain=" + domain
	}
	if secure {
		out += "; Secure"
	}
	out += "; HttpOnly"
	switch same {
	case http.SameSiteStrictMode:
		out += "; SameSite=Strict"
	case http.SameSiteNoneMode:
		out += "; SameSite=None"
	default:
		out += "; SameSite=Lax"
	}
	if partitioned {
		out += "; Partitioned"
	}
	return out
}

// gone is what a deletion ends with. Max-Age is what browsers obey; Expires is for what is older.
const gone = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"

func (w *cookieWriter) set(h http.Header, name, value string, life time.Duration) {
	add(h, name+"="+value+w.own+maxAge(life))
}

func (w *cookieWriter) drop(h http.Header, name string) { add(h, name+"="+w.own+gone) }

func (w *cookieWriter) setLegacy(h http.Header, key string, life time.Duration) {
	w.dropLegacyVariants(h)
	add(h, w.names.legacy+"="+key+w.legacyAt+maxAge(life))
}

// dropLegacy deletes the legacy cookie in every form that it ever had.
func (w *cookieWriter) dropLegacy(h http.Header) {
	w.dropLegacyVariants(h)
	add(h, w.names.legacy+"="+w.legacyAt+gone)
}

func (w *cookieWriter) dropLegacyVariants(h http.Header) {
	for _, v := range w.legacy.Variants {
		add(h, w.names.legacy+"="+attributes(v.Path, v.Domain, w.legacy.Secure, w.legacy.SameSite, false)+gone)
	}
}

// dropRelated deletes the cookies that go with a legacy session, in the forms of the session cookie.
func (w *cookieWriter) dropRelated(h http.Header) {
	for _, name := range w.related {
		add(h, name+"="+w.legacyAt+gone)
		for _, v := range w.legacy.Variants {
			add(h, name+"="+attributes(v.Path, v.Domain, w.legacy.Secure, w.legacy.SameSite, false)+gone)
		}
	}
}

func add(h http.Header, line string) { h["Set-Cookie"] = append(h["Set-Cookie"], line) }

// untilClosed is the life of a cookie that the browser forgets when it is closed: it is set without one.
const untilClosed time.Duration = -1

// maxAge is in whole seconds, one at least: 0 would delete.
func maxAge(life time.Duration) string {
	if life == untilClosed {
		return ""
	}
	return "; Max-Age=" + strconv.FormatInt(max(1, int64(life/time.Second)), 10)
}

// setCookie is one Set-Cookie line of an upstream, as far as it matters here.
type setCookie struct {
	name, value string
	attributes  string // from the first ";" on
	deletes     bool
	expires     time.Time // to the second; zero: when the browser is closed
	// disguised: the line has no name, or another spelling, and what the browser will send for it passes
	// for a cookie of this name.
	disguised bool
}

// longestLife is what browsers allow a cookie, in seconds: 400 days.
const longestLife = 400 * 24 * 3600

// parseSetCookie reads a line the way browsers do: the name is trimmed, attributes are case-insensitive,
// the last of several counts, and Max-Age wins over Expires.
func parseSetCookie(line string, now time.Time) setCookie {
	pair, rest, _ := strings.Cut(line, ";")
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		name, value = "", pair
	}
	c := setCookie{name: strings.TrimSpace(name), value: strings.Trim(strings.TrimSpace(value), `"`), attributes: rest}
	if sent, _, _ := pairName(pair); sent != c.name {
		c.name, c.disguised = sent, true
	}
	maxAge := ""
	for a := range strings.SplitSeq(rest, ";") {
		key, v, _ := strings.Cut(a, "=")
		switch key = strings.TrimSpace(key); {
		case strings.EqualFold(key, "max-age"):
			maxAge = strings.TrimSpace(v)
		case strings.EqualFold(key, "expires") && maxAge == "":
			if at, err := http.ParseTime(strings.TrimSpace(v)); err == nil {
				c.deletes, c.expires = !at.After(now), at
			}
		}
	}
	if n, err := strconv.Atoi(maxAge); err == nil {
		c.deletes = n <= 0
		c.expires = now.Add(time.Duration(min(n, longestLife)) * time.Second).Truncate(time.Second)
	}
	c.deletes = c.deletes || c.value == ""
	return c
}

// rename gives the line another name, with the attributes that a __Host- cookie must have. Life and
// SameSite stay as the upstream said.
func (w *cookieWriter) rename(c setCookie, name string) string {
	out := name + "=" + c.value + "; Path=/"
	if w.secure {
		out += "; Secure"
	}
	out += "; HttpOnly"
	for a := range strings.SplitSeq(c.attributes, ";") {
		key, _, _ := strings.Cut(a, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "max-age", "expires", "samesite":
			out += "; " + strings.TrimSpace(a)
		}
	}
	return out
}
