package config

import (
	"fmt"
	"slices"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// Problem is one thing that is wrong with a configuration, and where.
type Problem struct {
	Path         string // "routes[2].new"; empty for the file as a whole
	Line, Column int    // from 1; 0: the file says nothing at that path
	Message      string
	Hint         string // how to mend it; may be empty
}

func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems are all that was found, in the order of the file.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}

// fault says it to a person: one problem on one line that editors can jump to, several as a list.
func (ps Problems) fault(name string) error {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if len(ps) == 1 {
		e := fault.New(fault.Invalid, "%s", ps[0].in(name))
		e.Err = causes{ps}
		return e.WithHint("%s", ps[0].Hint)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %d problems", name, len(ps))
	for _, p := range ps {
		b.WriteString("\n  " + p.in(name))
		if p.Hint != "" {
			b.WriteString("\n      " + p.Hint)
		}
	}
	e := fault.New(fault.Invalid, "%s", b.String())
	e.Err = causes{ps}
	return e.WithHint(`"crossfade config explain <path>" tells what a field means`)
}

func (p Problem) in(name string) string {
	if p.Line > 0 {
		return name + ":" + p.String()
	}
	return name + ": " + p.String()
}

// causes keeps the problems reachable by errors.As; the message has told them already.
type causes struct{ Problems }

func (c causes) Error() string { return "invalid configuration" }
func (c causes) Unwrap() error { return c.Problems }

type position struct{ line, column int }

// check is what a section's validation gets: the whole configuration, and a place for its complaints.
type check struct {
	*decoder
	config *Config
}

// fail records a problem at path, or at the closest place above it that the file mentions.
func (k *check) fail(path, hint, format string, args ...any) {
	k.problems = append(k.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
	p := &k.problems[len(k.problems)-1]
	at := k.nearestPosition(path)
	p.Line, p.Column = at.line, at.column
}

func (d *decoder) nearestPosition(path string) position {
	for path != "" {
		if at, ok := d.at[path]; ok {
			return at
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return position{}
}

// needs complains when a value that has no default is missing.
func (k *check) needs(path, value, hint string) bool {
	if value == "" {
		k.fail(path, hint, "is missing")
		return false
	}
	return true
}

// oneOf complains when value is none of the allowed ones; the empty value passes.
func (k *check) oneOf(path, value string, allowed ...string) {
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	k.fail(path, suggest(value, allowed), "%q is not one of %s", value, strings.Join(allowed, ", "))
}

// within complains when a duration is outside its bounds.
func (k *check) within(path string, d, least, most Duration) {
	if d < least || d > most {
		k.fail(path, "", "%s is not between %s and %s", d, least, most)
	}
}

// between complains when a number is outside its bounds.
func (k *check) between(path string, n, least, most int) {
	if n < least || n > most {
		k.fail(path, "", "%d is not between %d and %d", n, least, most)
	}
}
