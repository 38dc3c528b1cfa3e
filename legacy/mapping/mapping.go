package mapping

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
)

// Why a key was left behind, besides what the legacy side reports itself.
const (
	ReasonStays      = "stays"      // declared to stay
	ReasonDropped    = "dropped"    // declared to be dropped
	ReasonUndeclared = "undeclared" // not declared, in a strict mapping
	ReasonTaken      = "taken"      // another key has the name that this one would get
)

// Mapping is a checked mapping. It is immutable and safe for concurrent use.
type Mapping struct {
	strict   bool
	exact    map[string]Rule
	renamed  map[string]string // target → key, for exact rules that rename
	prefixes []prefixRule      // longest first
}

type prefixRule struct {
	from, to string
	rule     Rule
}

// Apply maps legacy data to the new system's names. Undeclared names the keys that no rule is about,
// sorted; they are among moved, or in a strict mapping among left.
func (m *Mapping) Apply(data map[string]json.RawMessage) (moved map[string]json.RawMessage, left []legacy.LeftBehind, undeclared []string) {
	return m.carry(data, m.forward)
}

// Reverse maps the new system's data back to legacy names. What no rule is about keeps its name.
func (m *Mapping) Reverse(data map[string]json.RawMessage) (restored map[string]json.RawMessage, left []legacy.LeftBehind, undeclared []string) {
	return m.carry(data, m.backward)
}

// Sensitivity says how the value of a key, by its legacy name, may be shown.
func (m *Mapping) Sensitivity(key string) Sensitivity {
	if alwaysCrosses(key) {
		return Secret
	}
	if _, r, ok := m.lookup(key); ok {
		return r.Sensitivity
	}
	return Internal
}

// Owner is who the key, by its legacy name, belongs to; empty if no rule says.
func (m *Mapping) Owner(key string) string {
	_, r, _ := m.lookup(key)
	return r.Owner
}

// fate is what becomes of one key in one direction.
type fate struct {
	name     string // under which it crosses
	action   Action
	declared bool
	taken    bool // the name belongs to another key
}

// carry moves data by fates. Where two keys would get one name, the renamed one gets it: that is the
// one somebody declared.
func (m *Mapping) carry(data map[string]json.RawMessage, of func(string) fate) (map[string]json.RawMessage, []legacy.LeftBehind, []string) {
	moved := make(map[string]json.RawMessage, len(data))
	var left []legacy.LeftBehind
	var undeclared, kept []string
	leave := func(key, reason string) { left = append(left, legacy.LeftBehind{Key: key, Reason: reason}) }
	for _, key := range slices.Sorted(maps.Keys(data)) {
		f := of(key)
		if !f.declared {
			undeclared = append(undeclared, key)
		}
		switch {
		case f.taken:
			leave(key, ReasonTaken)
		case !f.declared && m.strict:
			leave(key, ReasonUndeclared)
		case f.action == Stay:
			leave(key, ReasonStays)
		case f.action == Drop:
			leave(key, ReasonDropped)
		case f.name == key:
			kept = append(kept, key)
		default:
			moved[f.name] = data[key]
		}
	}
	for _, key := range kept {
		if _, taken := moved[key]; taken {
			leave(key, ReasonTaken)
			continue
		}
		moved[key] = data[key]
	}
	slices.SortFunc(left, func(a, b legacy.LeftBehind) int { return strings.Compare(a.Key, b.Key) })
	return moved, left, undeclared
}

// forward is the fate of a legacy key. An undeclared one that has the name which a rename gives to
// another is taken even when that other is absent: on the way back it would be mistaken for it.
func (m *Mapping) forward(key string) fate {
	if alwaysCrosses(key) {
		return fate{name: key, action: Move, declared: true}
	}
	name, r, ok := m.lookup(key)
	if !ok {
		_, taken := m.source(key)
		return fate{name: key, action: Move, taken: taken}
	}
	return fate{name: name, action: r.Action, declared: true}
}

// backward is the fate of a key of the new system. One that has a legacy name already keeps it: it
// was written before the rename was declared, or by code that does not know it.
func (m *Mapping) backward(key string) fate {
	if alwaysCrosses(key) {
		return fate{name: key, action: Move, declared: true}
	}
	if from, ok := m.source(key); ok {
		return fate{name: from, action: Move, declared: true}
	}
	_, r, ok := m.lookup(key)
	if !ok {
		return fate{name: key, action: Move}
	}
	return fate{name: key, action: r.Action, declared: true}
}

// source finds the legacy key that a rename gives this name to.
func (m *Mapping) source(name string) (string, bool) {
	if from, ok := m.renamed[name]; ok {
		return from, true
	}
	for _, p := range m.prefixes {
		rest, ok := strings.CutPrefix(name, p.to)
		if !ok || p.to == p.from {
			continue
		}
		// A rule that is more exact may send this key elsewhere.
		if back, _, _ := m.lookup(p.from + rest); back == name {
			return p.from + rest, true
		}
	}
	return "", false
}

// lookup finds the rule for a legacy key and the name that it gives.
func (m *Mapping) lookup(key string) (name string, r Rule, ok bool) {
	if r, ok = m.exact[key]; ok {
		if r.Target != "" {
			return r.Target, r, true
		}
		return key, r, true
	}
	for _, p := range m.prefixes {
		if rest, found := strings.CutPrefix(key, p.from); found {
			if name = p.to + rest; alwaysCrosses(name) {
				name = key // a rename by beginning never makes a name that login depends on
			}
			return name, p.rule, true
		}
	}
	return key, Rule{}, false
}

// checkTargets refuses two rules that could give one name to two keys, and renames that chain: where
// a target is itself a declared key, the way back would not know which of the two it had been.
func (m *Mapping) checkTargets() error {
	for _, from := range slices.Sorted(maps.Keys(m.exact)) {
		r := m.exact[from]
		if r.Target == "" || r.Target == from {
			continue
		}
		if other, twice := m.renamed[r.Target]; twice {
			return clash(from, other, r.Target)
		}
		m.renamed[r.Target] = from
		if _, _, declared := m.lookup(r.Target); declared {
			return clash(from, r.Target, r.Target)
		}
		for _, p := range m.prefixes {
			if p.to != p.from && strings.HasPrefix(r.Target, p.to) {
				return clash(from, p.from+"*", r.Target)
			}
		}
	}
	return m.checkPrefixTargets()
}

func (m *Mapping) checkPrefixTargets() error {
	for i, p := range m.prefixes {
		if p.to == p.from {
			continue
		}
		for j, q := range m.prefixes {
			if overlap(p.to, q.from) || (i != j && q.to != q.from && overlap(p.to, q.to)) {
				return clash(p.from+"*", q.from+"*", p.to+"*")
			}
		}
		for from := range m.exact {
			if strings.HasPrefix(from, p.to) {
				return clash(p.from+"*", from, p.to+"*")
			}
		}
	}
	return nil
}

// overlap holds when some key begins with both.
func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

func clash(a, b, target string) error {
	return fault.New(fault.Invalid, "mapping: %q would be renamed to %q, which %q could be as well", a, target, b).
		WithHint("give each of them a target that no other key has")
}
