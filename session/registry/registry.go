// Package registry says what each attribute of a session is: whose, of what type, how large, how long it
// is kept, who may write it, and what becomes of it when a guest logs in.
//
// Invariant: a rule is asked in one place only, the session manager, so whatever way a value comes it meets
// the same rule; and what a rule takes away is counted by its owner. A registry is immutable and does no
// I/O. The manager asks it before each write and at each merge.
package registry

import (
	"slices"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Type is what JSON an attribute holds.
type Type string

// The types. The empty one is Any.
const (
	Any     Type = "any"
	String  Type = "string"
	Number  Type = "number"
	Boolean Type = "boolean"
	Object  Type = "object"
	Array   Type = "array"
)

// Merge is what becomes of an attribute that both the guest and the user who logs in have. Where only
// one of them has it, that one's stays, whatever the rule.
type Merge string

// The merges. The empty one is KeepUser.
const (
	KeepUser   Merge = "keep_user"
	KeepGuest  Merge = "keep_guest"
	Union      Merge = "union"       // of arrays and of objects; see union
	LastWriter Merge = "last_writer" // the one that was written later
)

// Unregistered is what happens to a write of a key that no rule is about.
type Unregistered string

// The empty one is Allow.
const (
	Allow  Unregistered = "allow"
	Count  Unregistered = "count" // written and counted
	Refuse Unregistered = "refuse"
)

// Rule is what is known of one attribute, or of all whose names begin alike.
type Rule struct {
	Name      string // a whole key, or its beginning followed by *
	Owner     string // team or module; the label of what is counted
	Type      Type
	MaxBytes  int           // of one value; 0: what the session has room for
	Retention time.Duration // after its last write; 0: as long as the session
	Personal  bool          // about a person: exports name it so
	Merge     Merge
	Writers   []string // clients of the session API that may write it; none: all that may write the session
}

// Events that are counted by owner.
const (
	EventUnregistered = "unregistered"   // a write without a rule
	EventType         = "type"           // a value of another type than its rule's
	EventSize         = "size"           // a value over its rule's size
	EventWriter       = "writer"         // a write by a client that may not
	EventExpired      = "expired"        // its retention was over
	EventDropped      = "merge_dropped"  // did not fit when a guest logged in
	EventMismatch     = "merge_mismatch" // a union of values that have none
)

// nobody is the owner of what has no rule.
const nobody = "unregistered"

// Config is what a registry is made of.
type Config struct {
	Rules        []Rule
	Unregistered Unregistered
	// Exempt holds for keys that login depends on: they need no rule. Nil: none.
	Exempt func(key string) bool
	// Observe counts an event; it must not block. Nil: nobody counts.
	Observe func(owner, event string, n int)
}

// Registry is a checked set of rules. A nil one allows everything and keeps the user's at a merge.
type Registry struct {
	cfg      Config
	exact    map[string]*Rule
	prefixes []*Rule // longest first
	timed    bool
}

// New checks the rules.
func New(cfg Config) (*Registry, error) {
	r := &Registry{cfg: cfg, exact: map[string]*Rule{}}
	switch cfg.Unregistered {
	case "", Allow, Count, Refuse:
	default:
		return nil, fault.New(fault.Invalid, "no such policy for unregistered attributes: %q", cfg.Unregistered).
			WithHint("use allow, count or refuse")
	}
	for _, rule := range cfg.Rules {
		if err := r.add(rule); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(r.prefixes, func(a, b *Rule) int { return len(b.Name) - len(a.Name) })
	return r, nil
}

func (r *Registry) add(rule Rule) error {
	refuse := func(hint, why string, args ...any) error {
		return fault.New(fault.Invalid, "attribute %q: "+why, append([]any{rule.Name}, args...)...).WithHint("%s", hint)
	}
	if rule.Type == "" {
		rule.Type = Any
	}
	if rule.Merge == "" {
		rule.Merge = KeepUser
	}
	prefix, isPrefix := strings.CutSuffix(rule.Name, "*")
	switch {
	case prefix == "" || strings.Contains(prefix, "*"):
		return refuse("write a whole key, or its beginning followed by *", "not a name")
	case rule.Owner == "":
		return refuse("name the team or module that answers for it", "has no owner")
	case !slices.Contains([]Type{Any, String, Number, Boolean, Object, Array}, rule.Type):
		return refuse("use any, string, number, boolean, object or array", "no such type: %q", rule.Type)
	case !slices.Contains([]Merge{KeepUser, KeepGuest, Union, LastWriter}, rule.Merge):
		return refuse("use keep_user, keep_guest, union or last_writer", "no such merge: %q", rule.Merge)
	case rule.Merge == Union && rule.Type != Object && rule.Type != Array:
		return refuse("say type: array or type: object", "only arrays and objects have a union")
	case rule.MaxBytes < 0 || rule.Retention < 0:
		return refuse("leave it out for none", "a limit is negative")
	}
	for _, other := range r.cfg.Rules {
		if other.Name == rule.Name && r.named(rule.Name) {
			return refuse("keep one of the two", "is registered twice")
		}
	}
	r.timed = r.timed || rule.needsTime()
	if isPrefix {
		r.prefixes = append(r.prefixes, &rule)
	} else {
		r.exact[rule.Name] = &rule
	}
	return nil
}

func (r *Registry) named(name string) bool {
	_, ok := r.exact[name]
	return ok || slices.ContainsFunc(r.prefixes, func(p *Rule) bool { return p.Name == name })
}

// Rule finds the rule of a key: its own, else that of the longest beginning. Nil: none.
func (r *Registry) Rule(key string) *Rule {
	if r == nil {
		return nil
	}
	if rule, ok := r.exact[key]; ok {
		return rule
	}
	for _, rule := range r.prefixes {
		if strings.HasPrefix(key, rule.Name[:len(rule.Name)-1]) {
			return rule
		}
	}
	return nil
}

func (r *Rule) needsTime() bool { return r.Retention > 0 || r.Merge == LastWriter }

func (r *Registry) exempt(key string) bool { return r.cfg.Exempt != nil && r.cfg.Exempt(key) }

func (r *Registry) count(owner, event string, n int) {
	if r != nil && r.cfg.Observe != nil && n > 0 {
		r.cfg.Observe(owner, event, n)
	}
}

// Dropped counts guest's values that a merge had no room for.
func (r *Registry) Dropped(key string) { r.count(r.owner(key), EventDropped, 1) }

func (r *Registry) owner(key string) string {
	if rule := r.Rule(key); rule != nil {
		return rule.Owner
	}
	return nobody
}
