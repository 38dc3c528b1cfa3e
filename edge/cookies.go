package edge

import (
	"slices"
	"strings"
)

const hostPrefix = "__Host-"

// cookieNames are the names in this deployment.
type cookieNames struct {
	session, visitor, ticket, magic, tools string
	legacy                                 string
}

func namesOf(insecure bool, legacy string) cookieNames {
	p := hostPrefix
	if insecure {
		p = ""
	}
	return cookieNames{
		session: p + "cf_session", visitor: p + "cf_visitor", ticket: p + "cf_ticket",
		magic: p + "cf_magic", tools: p + "cf_tools", legacy: legacy,
	}
}

// ownCookie reports whether a name is one of Crossfade's, with or without prefix: neither a browser nor an
// upstream may use the other spelling to plant something.
func ownCookie(name string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, hostPrefix), "__Secure-")
	switch name {
	case "cf_session", "cf_visitor", "cf_ticket", "cf_magic", "cf_tools":
		return true
	}
	return false
}

// maxValues is how many different values of one name are looked at. More than two are no accident.
const maxValues = 4

// values are the different values that came under one name.
type values struct {
	all  [maxValues]string
	n    int
	over bool // more than fit: none of them counts
}

func (v *values) add(s string) {
	for _, known := range v.all[:v.n] {
		if known == s {
			return // identical duplicates are one
		}
	}
	if v.n == maxValues {
		v.over = true
		return
	}
	v.all[v.n] = s
	v.n++
}

// list are the candidates; nil if there are too many to tell.
func (v *values) list() []string {
	if v.over {
		return nil
	}
	return v.all[:v.n]
}

func (v *values) present() bool { return v.n > 0 }

// life is what is known about one of several values, or about all of them.
type life uint8

const (
	dead life = iota
	live
	unclear   // whoever could tell does not answer
	contested // more than one is live, or there are too many to tell
)

// pick is the one value that is live: of several exactly one may be, else the name counts as not sent. A
// single value is returned without being asked about. Where it is unclear, one of them may be the one: then
// nothing may be done that takes any of them for dead.
func (v *values) pick(judge func(string) life) (string, life) {
	switch {
	case v.over:
		return "", contested
	case v.n == 1:
		return v.all[0], live
	}
	found, all := "", dead
	for _, s := range v.list() {
		switch l := judge(s); {
		case l == live && found != "":
			return "", contested
		case l == live:
			found, all = s, max(all, live)
		case l == unclear:
			all = unclear
		}
	}
	if all == unclear {
		return "", unclear
	}
	return found, all
}

// jar is what a request brought.
type jar struct {
	session, visitor, ticket, magic, tools, legacy values
	// foreign: pairs named like ours or legacy's are among the headers, so they must be rebuilt.
	foreign bool
}

// read fills the jar from the Cookie headers. It allocates nothing unless a name is written oddly.
func (j *jar) read(headers []string, names *cookieNames) {
	for _, line := range headers {
		for pair := range pairs(line) {
			name, value, exact := splitPair(pair)
			if !exact {
				j.foreign = j.foreign || name == names.legacy || ownCookie(name)
				continue
			}
			j.put(name, value, names)
		}
	}
}

func (j *jar) put(name, value string, names *cookieNames) {
	var v *values
	switch name {
	case names.session:
		v = &j.session
	case names.visitor:
		v = &j.visitor
	case names.ticket:
		v = &j.ticket
	case names.magic:
		v = &j.magic
	case names.tools:
		v = &j.tools
	case names.legacy:
		v = &j.legacy
	default:
		j.foreign = j.foreign || ownCookie(name)
		return
	}
	j.foreign = true
	if value != "" {
		v.add(value)
	}
}

// pairs iterates over the raw pairs of a Cookie header, without the semicolons.
func pairs(line string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(line) > 0 {
			pair := line
			if at := strings.IndexByte(line, ';'); at >= 0 {
				pair, line = line[:at], line[at+1:]
			} else {
				line = ""
			}
			if !yield(pair) {
				return
			}
		}
	}
}

// splitPair reads a pair the way the most lenient parser behind us might: whatever is no part of a name
// is trimmed from it (Python strips bytes that others keep), percent-encoding in names is undone (PHP),
// and one pair of quotes around the value is dropped (Django). exact says that none of that was needed for
// the name: another spelling is taken out, but never believed, since browsers hold only the exact one to
// its prefix. A value that is written so that parsers would disagree on it counts as empty.
func splitPair(pair string) (name, value string, exact bool) {
	name, value, exact = pairName(pair)
	value = strings.Trim(value, " \t")
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	for i := range len(value) {
		if !valueBytes[value[i]] {
			return name, "", exact
		}
	}
	return name, value, exact
}

// pairName is the name of a pair, and the rest as it was written. A cookie without a name, which browsers
// send as its bare value, has the name that its value begins with: nobody behind us can tell the two apart.
func pairName(pair string) (name, rest string, exact bool) {
	pair = strings.TrimLeft(pair, " \t")
	named := strings.TrimLeft(pair, "= \t")
	name, rest, _ = strings.Cut(named, "=")
	name = strings.TrimRight(name, " \t")
	written := name
	start, end := 0, len(name)
	for start < end && !nameByte(name[start]) {
		start++
	}
	for end > start && !nameByte(name[end-1]) {
		end--
	}
	name = name[start:end]
	if strings.IndexByte(name, '%') >= 0 {
		name = strings.TrimFunc(decodeRepeatedly(name), func(r rune) bool { return r > 0x7f || !nameByte(byte(r)) })
	}
	return name, rest, len(named) == len(pair) && name == written
}

// nameByte holds for the bytes that a cookie name is made of (RFC 6265: an HTTP token).
func nameByte(c byte) bool { return tokenBytes[c] }

var tokenBytes = func() (t [256]bool) {
	for c := byte('!'); c < 0x7f; c++ {
		t[c] = strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) < 0
	}
	return t
}()

// valueBytes are those that every parser takes as part of a value.
var valueBytes = func() (t [256]bool) {
	for c := byte('!'); c < 0x7f; c++ {
		t[c] = strings.IndexByte(`"\,;`, c) < 0
	}
	return t
}()

// passesUnjudged reports whether legacy may judge a pair itself.
func passesUnjudged(pair string, ended []string) bool {
	_, value, exact := splitPair(pair)
	return exact && value != "" && !slices.Contains(ended, value)
}

// rebuild is the Cookie header for the upstream: every pair named like ours or like legacy's goes, all
// others stay byte for byte, and the judged legacy key, if there is one, is put back at the end. asTheyCame:
// nobody could judge, and legacy gets its own cookies untouched, but for those that have ended, and those whose
// values nobody here has read: legacy might read one that was never asked about.
func rebuild(headers []string, names *cookieNames, key string, asTheyCame bool, ended ...string) string {
	size := len(names.legacy) + len(key) + 3
	for _, line := range headers {
		size += len(line) + 2
	}
	var out strings.Builder
	out.Grow(size)
	for _, line := range headers {
		for pair := range pairs(line) {
			name, _, _ := pairName(pair)
			if name == names.legacy && !(asTheyCame && passesUnjudged(pair, ended)) || ownCookie(name) {
				continue
			}
			if out.Len() == 0 {
				pair = strings.TrimLeft(pair, " ")
			} else {
				out.WriteByte(';')
				if pair != "" && pair[0] != ' ' && pair[0] != '\t' {
					out.WriteByte(' ') // two header lines become one
				}
			}
			out.WriteString(pair)
		}
	}
	if key != "" {
		if out.Len() > 0 {
			out.WriteString("; ")
		}
		out.WriteString(names.legacy)
		out.WriteByte('=')
		out.WriteString(key)
	}
	return out.String()
}
