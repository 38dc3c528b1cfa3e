package edge

import "strings"

const (
	ownSegment    = "_crossfade"
	handshakePath = "/_crossfade/handshake"
	clientPath    = "/_crossfade/client.js"
)

// forbidden reports whether a request path is, to any server that might read it, under /_crossfade/.
// The bridge endpoints of the legacy application live there, and nobody outside may reach them; whoever
// reads a path in some other way than we do must not be a way in. The path is as it was sent.
//
// It errs on the side of refusing: no page of a real site has "_crossfade" as its first segment.
func forbidden(path string) bool {
	if !suspicious(path) {
		return false
	}
	for range maxDecodings {
		if firstIsOurs(path) {
			return true
		}
		next := decodeOnce(path)
		if next == path {
			return false
		}
		path = next
	}
	return true // still not decoded after so many rounds: nobody sends that in good faith
}

// maxDecodings is how many layers of percent-encoding are looked through.
const maxDecodings = 6

// suspicious is the quick look that nearly every request passes: without an escape and without the word
// itself no reading of the path can have the segment.
func suspicious(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c == '%' || c >= 0x80:
			return true
		case c == '_' && len(path)-i >= len(ownSegment) && strings.EqualFold(path[i:i+len(ownSegment)], ownSegment):
			return true
		}
	}
	return false
}

// firstIsOurs looks at the first segment of the path, with dot segments resolved and without.
func firstIsOurs(path string) bool {
	var stack []string
	first := true
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		segment, _, _ = strings.Cut(segment, ";")
		dots := strings.TrimFunc(segment, invisible)
		name := strings.TrimRight(dots, ".")
		if first && strings.EqualFold(name, ownSegment) {
			return true
		}
		switch {
		case dots == "" || dots == ".":
			continue
		case dots == "..":
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			// A server that does not resolve may still drop what it does not know.
			continue
		}
		first = false
		stack = append(stack, name)
	}
	return len(stack) > 0 && strings.EqualFold(stack[0], ownSegment)
}

// invisible are bytes that some server drops or trims: controls, NUL among them, and spaces.
func invisible(r rune) bool { return r <= ' ' || (r >= 0x7f && r <= 0xa0) }

// decodeRepeatedly decodes until nothing changes, within the same limit.
func decodeRepeatedly(s string) string {
	for range maxDecodings {
		next := decodeOnce(s)
		if next == s {
			break
		}
		s = next
	}
	return s
}

// decodeOnce undoes one layer of percent-encoding, %uXXXX and the overlong UTF-8 spellings of ASCII
// included, and drops what is invisible inside a segment. What is not an escape stays.
func decodeOnce(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == '%' || r < ' ' || r >= 0x7f }) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		c, n := nextByte(s[i:])
		i += n
		if c == 0xc0 || c == 0xc1 { // overlong: two bytes for one ASCII character
			if low, m := nextByte(s[min(i, len(s)):]); m > 0 && low&0xc0 == 0x80 {
				c, i = c<<6|low&0x3f, i+m
			}
		}
		if c < ' ' || c == 0x7f {
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

// nextByte is the first byte of s, an escape counting as the byte that it stands for.
func nextByte(s string) (c byte, size int) {
	switch {
	case s == "":
		return 0, 0
	case len(s) >= 3 && s[0] == '%' && hexDigit(s[1]) >= 0 && hexDigit(s[2]) >= 0:
		return byte(hexDigit(s[1])<<4 | hexDigit(s[2])), 3
	case len(s) >= 6 && s[0] == '%' && s[1]|0x20 == 'u' && hexDigit(s[2]) == 0 && hexDigit(s[3]) == 0 && hexDigit(s[4]) >= 0 && hexDigit(s[5]) >= 0:
		return byte(hexDigit(s[4])<<4 | hexDigit(s[5])), 6
	}
	return s[0], 1
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
