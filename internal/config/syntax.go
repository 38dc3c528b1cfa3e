package config

import (
	"errors"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
)

// syntax says what the parser found.
func (d *decoder) syntax(err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil {
		d.add("", position{}, "is not YAML: %s", firstLine(err.Error()))
		return
	}
	at := e.GetToken().Position
	if strings.Contains(e.GetMessage(), "'\t'") {
		d.add("", position{at.Line, at.Column}, "is not YAML: a tab in the indentation").Hint = "indent with spaces"
		return
	}
	d.add("", position{at.Line, at.Column}, "is not YAML: %s", firstLine(e.GetMessage()))
}

// notText finds the first byte that no text file has: the wrong file was named, and what a parser of YAML
// would say of it helps nobody.
func notText(text []byte) (position, bool) {
	at := position{1, 1}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 || r == 0 {
			return at, true
		}
		if at.column++; r == '\n' {
			at = position{at.line + 1, 1}
		}
		i += size
	}
	return position{}, false
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
