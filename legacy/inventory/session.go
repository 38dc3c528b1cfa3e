// Package inventory looks at a sample of a live legacy session store and says what is in it: which keys, how often,
// how large, of which types, whose they are, and which of them would cross.
//
// Invariant: it only reads, and what it keeps of a session is its shape. No value, no session key and no user id
// gets from a [Source] into a [Report]; parts of a key's name that look like an id or a secret are replaced by *.
// The command line calls it; the sources are in the packages beside it.
package inventory

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"crossfade.dev/crossfade/legacy/python"
)

// Class is how faithfully a session can be carried.
type Class string

// The classes.
const (
	Lossless  Class = "A" // reading, changing and writing keeps every type
	AllowList Class = "B" // pickled, and made of types that are read without carrying out what the pickle asks for
	Identity  Class = "C" // whose it is and when it ends; something inside is known by its name only, or not at all
)

// Format is how a session's data is written.
type Format string

// The formats.
const (
	JSON       Format = "json"
	Pickle     Format = "pickle"
	Unreadable Format = "unreadable"
)

// Session is what is told about one session: its shape.
type Session struct {
	ID     string // tells sessions apart within one sample, and nothing else
	Format Format
	// Problem says why it is unreadable, in a few words that many sessions share.
	Problem string
	// Key is the number of the secret key that its signature was made with, 1 for SECRET_KEY; 0: not checked, or unsigned.
	Key           int
	Size          int // as stored, in bytes
	Authenticated bool
	Saved         time.Time // zero: not known
	Expires       time.Time // zero: never
	Keys          []Key
}

// Key is one key of a session, without its value.
type Key struct {
	Name   string
	Type   string
	JSON   bool   // the value can cross
	Odd    string // otherwise: the first type inside that cannot
	Opaque string // the first class inside that is known by its name only
	Size   int    // of the value as JSON, in bytes
}

// Class of the session.
func (s Session) Class() Class {
	switch {
	case s.Format == Unreadable:
		return Identity
	case s.Format == JSON:
		return Lossless
	}
	for _, k := range s.Keys {
		if k.Opaque != "" {
			return Identity
		}
	}
	return AllowList
}

// class of one value of a session.
func (k Key) class(f Format) Class {
	switch {
	case k.Opaque != "":
		return Identity
	case f == JSON:
		return Lossless
	}
	return AllowList
}

// Login is the key under which Django keeps the id of the user who is logged in.
const Login = "_auth_user_id"

// Describe takes the shape of a session's data, which must be a dict.
func (s *Session) Describe(v *python.Value) {
	if v == nil || v.Kind != python.Dict {
		s.Format, s.Problem = Unreadable, "not a dict"
		return
	}
	for _, k := range python.ShapesOf(v) {
		name := "(" + k.Key.Type() + ")"
		if k.Key.Kind == python.Str {
			name = k.Key.Text
		}
		key := Key{Name: name, Type: k.Type, JSON: k.JSON, Odd: k.Odd, Opaque: k.Opaque, Size: k.Size}
		if k.Key.Kind != python.Str {
			key.JSON, key.Odd = false, "a key that is no str"
		}
		s.Keys = append(s.Keys, key)
	}
	who := v.Get(Login)
	s.Authenticated = who != nil && who.Kind != python.None && who.Text != ""
}

// maxName is where the name of a key is cut off, in bytes.
const maxName = 64

// Mask replaces the parts of a key's name that look like ids, addresses or secrets by *: names are shown to people, and
// some packages keep a state or a number in them. Names that differ only there are one row.
func Mask(name string) string {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || !unicode.IsGraphic(r) }) {
		return "*"
	}
	if strings.Contains(name, "@") {
		return "*"
	}
	if rest, ok := strings.CutPrefix(name, "_state_"); ok { // Authlib: _state_<provider>_<secret>
		provider, _, _ := strings.Cut(rest, "_")
		return "_state_" + maskPart(provider) + "_*"
	}
	var b strings.Builder
	for part := range parts(name) {
		b.WriteString(maskPart(part))
	}
	masked := b.String()
	for strings.Contains(masked, "*-*") { // a UUID is one thing
		masked = strings.ReplaceAll(masked, "*-*", "*")
	}
	if len(masked) > maxName {
		masked = strings.ToValidUTF8(masked[:maxName-1], "") + "*"
	}
	return masked
}

// parts are the runs between separators, and the separators.
func parts(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i := range len(name) {
			if strings.IndexByte("_-.:/ |,;=", name[i]) >= 0 {
				if !yield(name[start:i]) || !yield(name[i:i+1]) {
					return
				}
				start = i + 1
			}
		}
		yield(name[start:])
	}
}

func maskPart(s string) string {
	var digits, hex, letters, shouts int
	for i := range len(s) {
		if i > 0 && upper(s[i]) && upper(s[i-1]) {
			shouts++
		}
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			hex++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			hex++
			letters++
		default:
			letters++
		}
	}
	switch {
	case digits == 0 && (len(s) < 24 || len(s) < 40 && shouts < 3): // longNamesOfThisKind, but no random letters
		return s
	case digits == 0, letters == 0, digits >= 4, len(s) >= 12, hex == len(s) && len(s) >= 4:
		return "*"
	}
	return s
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }
