// Package mapping says which keys of a session cross between the two systems, and under what name.
//
// Invariant: nothing disappears in silence. Every key that goes in comes out moved or is named among
// what was left behind, with a reason; and what moved under a new name comes back under its old one.
// The edge applies a mapping at exchange and reverses it at restore. It is pure.
package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"crossfade.dev/crossfade/internal/fault"
)

// Action says what happens to a key at a handover.
type Action string

// The actions. The empty action is Move.
const (
	Move Action = "move" // it crosses
	Stay Action = "stay" // it belongs to legacy and remains there
	Drop Action = "drop" // it is not worth keeping: no side gets it
)

// Sensitivity says how a key's value may be shown to people.
type Sensitivity string

// The sensitivities. The empty one is Internal.
const (
	Public   Sensitivity = "public"   // may be shown to anybody
	Internal Sensitivity = "internal" // may be shown to operators
	Personal Sensitivity = "personal" // about a person: shown to nobody without need, never logged
	Secret   Sensitivity = "secret"   // never shown
)

// Rule is what the mapping says about one key.
type Rule struct {
	// Owner is the team or module that the key belongs to, for reports.
	Owner string `yaml:"owner"`
	// Action is move (the default), stay or drop.
	Action Action `yaml:"action"`
	// Target is the key's name in the new system; empty: the same. Only with move. Where the rule is for
	// a prefix ("shop_*"), the target is one as well ("store_*").
	Target string `yaml:"target"`
	// Sensitivity is public, internal (the default), personal or secret.
	Sensitivity Sensitivity `yaml:"sensitivity"`
}

// File is a mapping as it is written. The zero file moves everything.
type File struct {
	// Strict leaves undeclared keys behind instead of moving and counting them.
	Strict bool `yaml:"strict"`
	// Keys holds the rules by legacy key. A name that ends in * is for all keys with that beginning; an
	// exact name wins over a beginning, and a longer beginning over a shorter one.
	Keys map[string]Rule `yaml:"keys"`
}

// Parse reads a mapping from YAML. Unknown fields are errors that show line and column.
func Parse(text []byte) (*Mapping, error) {
	f, err := Read(text)
	if err != nil {
		return nil, err
	}
	return New(f)
}

// Read reads a mapping from YAML and leaves its rules to New.
func Read(text []byte) (File, error) {
	var f File
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return File{}, fault.New(fault.Invalid, "the mapping cannot be read:\n%s", yaml.FormatError(err, false, true)).
			WithHint("fields are strict and keys; a key has owner, action (move, stay, drop), target, sensitivity")
	}
	return f, nil
}

// New checks a mapping.
func New(f File) (*Mapping, error) {
	m := &Mapping{strict: f.Strict, exact: map[string]Rule{}, renamed: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(f.Keys)) {
		if err := m.add(key, f.Keys[key]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.prefixes, func(a, b prefixRule) int { return len(b.from) - len(a.from) })
	if err := m.checkTargets(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Mapping) add(key string, r Rule) error {
	refuse := func(hint, format string, args ...any) error {
		return fault.New(fault.Invalid, "mapping of key %q: %s", key, fmt.Sprintf(format, args...)).WithHint("%s", hint)
	}
	if r.Action == "" {
		r.Action = Move
	}
	if r.Sensitivity == "" {
		r.Sensitivity = Internal
	}
	prefix, isPrefix := strings.CutSuffix(key, "*")
	target, targetIsPrefix := strings.CutSuffix(r.Target, "*")
	switch {
	case key == "" || strings.Contains(prefix, "*"):
		return refuse("write a whole key, or its beginning followed by *", "not a key")
	case alwaysCrosses(prefix):
		return refuse("remove it from the mapping", "it always crosses under its own name, because login or CSRF protection needs it")
	case r.Action != Move && r.Action != Stay && r.Action != Drop:
		return refuse("use move, stay or drop", "no such action: %q", r.Action)
	case !slices.Contains([]Sensitivity{Public, Internal, Personal, Secret}, r.Sensitivity):
		return refuse("use public, internal, personal or secret", "no such sensitivity: %q", r.Sensitivity)
	case r.Target != "" && r.Action != Move:
		return refuse("remove target, or use move", "it has a target but does not move")
	case r.Target != "" && (isPrefix != targetIsPrefix || strings.Contains(target, "*")):
		return refuse(`a whole key is renamed to a whole key, "old_*" to "new_*"`, "target %q does not fit", r.Target)
	case r.Target != "" && alwaysCrosses(target):
		return refuse("choose another target", "target %q is a name that login or CSRF protection uses", r.Target)
	}
	if !isPrefix {
		m.exact[key] = r
		return nil
	}
	to := prefix
	if r.Target != "" {
		to = target
	}
	m.prefixes = append(m.prefixes, prefixRule{from: prefix, to: to, rule: r})
	return nil
}
