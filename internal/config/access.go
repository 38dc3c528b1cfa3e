package config

import "strings"

// Access is what happens to visitors who may not pass a route.
type Access struct {
	// Page that a visitor who must log in is sent to, unless the route names another. Default
	// /accounts/login/, as Django's.
	Login string `yaml:"login"`
	// Name of the query parameter that tells the login page where to return to. Default next.
	Next string `yaml:"next"`
	// How requests of native apps are told from those of browsers. Without it every request is web.
	Native Native `yaml:"native"`
}

// Native tells the requests of native apps. It chooses a route, it proves nothing: what a route lets
// through must be safe for whoever says to be an app.
type Native struct {
	// Header that decides, for instance User-Agent or X-App-Version.
	Header string `yaml:"header"`
	// Beginnings of its value that mean native. Empty: any value does.
	Values []string `yaml:"values"`
}

func (a *Access) defaults() { a.Login, a.Next = "/accounts/login/", "next" }

func (a *Access) validate(k *check) {
	k.sitePath("access.login", a.Login)
	if a.Next == "" || strings.ContainsAny(a.Next, "&=?# ") {
		k.fail("access.next", "a plain name, like next", "%q is not the name of a query parameter", a.Next)
	}
	if a.Native.Header != "" && !headerName(a.Native.Header) {
		k.fail("access.native.header", "", "%q is not the name of a header", a.Native.Header)
	}
	if a.Native.Header == "" && len(a.Native.Values) > 0 {
		k.fail("access.native.values", "add header", "mean nothing without a header")
	}
}

// sitePath complains about a redirect that could leave the site.
func (k *check) sitePath(path, value string) {
	if !strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//") || strings.ContainsAny(value, "\\\r\n\t ?#") {
		k.fail(path, "write it like /accounts/login/", "%q is not a path of this site", value)
	}
}

func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}
