package python

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting is how deep a JSON text may nest; Python's own reader gives up at about ten times that.
const maxNesting = 200

// ReadJSON reads a JSON text as Python's json module does: with NaN and Infinity, lone surrogates, and ints apart
// from floats. Repeated keys stay in; the last one counts.
func ReadJSON(text []byte, limits Limits) (*Value, error) {
	limits = limits.orDefault()
	if len(text) > limits.Bytes {
		return nil, ErrTooLarge
	}
	r := &jsonReader{in: string(text), left: limits.Ops}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if r.space(); r.at != len(r.in) {
		return nil, errors.New("text after the end of the value")
	}
	return v, nil
}

type jsonReader struct {
	in   string
	at   int
	left int
}

var errJSON = errors.New("not JSON")

func (r *jsonReader) space() {
	for r.at < len(r.in) && strings.IndexByte(" \t\r\n", r.in[r.at]) >= 0 {
		r.at++
	}
}

func (r *jsonReader) next(literal string) bool {
	if strings.HasPrefix(r.in[r.at:], literal) {
		r.at += len(literal)
		return true
	}
	return false
}

func (r *jsonReader) value(depth int) (*Value, error) {
	if r.left--; r.left < 0 || depth > maxNesting {
		return nil, ErrTooLarge
	}
	r.space()
	if r.at == len(r.in) {
		return nil, errTruncated
	}
	switch r.in[r.at] {
	case '"':
		text, err := r.text()
		return &Value{Kind: Str, Text: text}, err
	case '[':
		return r.items(depth, List, ']')
	case '{':
		return r.items(depth, Dict, '}')
	}
	for literal, v := range map[string]Value{"null": {Kind: None}, "true": {Kind: Bool, Text: "True"}, "false": {Kind: Bool, Text: "False"},
		"NaN": {Kind: Float, Text: "NaN"}, "Infinity": {Kind: Float, Text: "Infinity"}, "-Infinity": {Kind: Float, Text: "-Infinity"}} {
		if r.next(literal) {
			return &v, nil
		}
	}
	return r.number()
}

// items reads what is between two brackets.
func (r *jsonReader) items(depth int, kind Kind, end byte) (*Value, error) {
	out := &Value{Kind: kind}
	r.at++
	if r.space(); r.next(string(end)) {
		return out, nil
	}
	for {
		if kind == Dict {
			r.space()
			if r.at == len(r.in) || r.in[r.at] != '"' {
				return nil, errJSON
			}
			key, err := r.text()
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, &Value{Kind: Str, Text: key})
			if r.space(); !r.next(":") {
				return nil, errJSON
			}
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, v)
		r.space()
		if r.next(string(end)) {
			return out, nil
		}
		if !r.next(",") {
			return nil, errJSON
		}
	}
}

func (r *jsonReader) number() (*Value, error) {
	start := r.at
	for r.at < len(r.in) && strings.IndexByte("+-0123456789.eE", r.in[r.at]) >= 0 {
		r.at++
	}
	text := r.in[start:r.at]
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return nil, errJSON
	}
	if strings.Trim(digits, "0123456789") == "" {
		return &Value{Kind: Int, Text: text}, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil && !errors.Is(err, strconv.ErrRange) || strings.HasSuffix(text, ".") {
		return nil, errJSON
	}
	return &Value{Kind: Float, Text: text}, nil
}

// text reads a string; the reader stands on its first quote.
func (r *jsonReader) text() (string, error) {
	r.at++
	start := r.at
	for i := start; i < len(r.in); i++ {
		switch c := r.in[i]; {
		case c == '"': // the usual case: nothing to undo
			r.at = i + 1
			return r.in[start:i], nil
		case c < ' ':
			return "", errJSON
		case c == '\\':
			return r.escaped(start, i)
		}
	}
	return "", errTruncated
}

func (r *jsonReader) escaped(start, i int) (string, error) {
	out := []byte(r.in[start:i])
	for i < len(r.in) {
		c := r.in[i]
		i++
		switch {
		case c == '"':
			r.at = i
			return string(out), nil
		case c < ' ':
			return "", errJSON
		case c != '\\':
			out = append(out, c)
			continue
		case i == len(r.in):
			return "", errTruncated
		}
		letter := r.in[i]
		i++
		if letter != 'u' {
			plain := strings.IndexByte(`"\/bfnrt`, letter)
			if plain < 0 {
				return "", errJSON
			}
			out = append(out, "\"\\/\b\f\n\r\t"[plain])
			continue
		}
		unit, ok := hex4(r.in[i:])
		if !ok {
			return "", errJSON
		}
		i += 4
		if utf16.IsSurrogate(unit) && strings.HasPrefix(r.in[i:], `\u`) {
			if low, ok := hex4(r.in[i+2:]); ok {
				if pair := utf16.DecodeRune(unit, low); pair != utf8.RuneError {
					unit = pair
					i += 6
				}
			}
		}
		out = appendAny(out, unit)
	}
	return "", errTruncated
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(n), err == nil
}
