package edge

// Request is the small view of a request that every step is written against, so that other carriers
// than net/http can follow: a decision endpoint for somebody else's proxy, a leaner engine. What it
// returns belongs to the carrier and is not changed. Looking a header up allocates nothing.
type Request interface {
	Method() string
	Host() string // as the client named it, with port
	Path() string // as it was sent, still escaped; begins with "/"
	Query() string
	// Header is the first value under a canonical name ("Sec-Fetch-Mode"); empty: absent.
	Header(name string) string
	// Values are all values under a canonical name.
	Values(name string) []string
}

// safe reports whether a method may not change anything (RFC 9110, section 9.2.1).
func safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}
