package inventory

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"crossfade.dev/crossfade/legacy/mapping"
)

// Rules are what decides about keys.
type Rules struct {
	Mapping *mapping.Mapping
	Owners  Owners // nil: the mapping's, alone
	// MaxBytes and MaxKeys are what crosses in one session; 0: 64 KiB and 128.
	MaxBytes, MaxKeys int
}

// maxRows bounds the keys that are told apart: a name that is different in every session is no key.
const maxRows = 2000

// maxKeyBytes is the longest name that crosses.
const maxKeyBytes = 128

// Tally collects sessions for a report. It is for one goroutine.
type Tally struct {
	rules Rules
	now   time.Time

	read, expired, live, auth, tooLarge, hidden          int
	classes, formats, problems, verified, saved, expires map[string]int
	sizes                                                []int
	rows                                                 map[string]*row
}

type row struct {
	name         string
	count, moves int
	types, stays map[string]int
	sizes        []int
	class        Class
	fate         mapping.Fate
}

// NewTally begins a report. now decides what has expired.
func NewTally(rules Rules, now time.Time) *Tally {
	if rules.MaxBytes <= 0 {
		rules.MaxBytes = 64 << 10
	}
	if rules.MaxKeys <= 0 {
		rules.MaxKeys = 128
	}
	return &Tally{rules: rules, now: now, classes: map[string]int{}, formats: map[string]int{}, problems: map[string]int{},
		verified: map[string]int{}, saved: map[string]int{}, expires: map[string]int{}, rows: map[string]*row{}}
}

// Add counts a session.
func (t *Tally) Add(s Session) {
	t.read++
	if !s.liveAt(t.now) {
		t.expired++
		return
	}
	t.live++
	t.classes[string(s.Class())]++
	t.formats[string(s.Format)]++
	t.sizes = append(t.sizes, s.Size)
	if s.Problem != "" {
		t.problems[s.Problem]++
	}
	if s.Key > 0 {
		t.verified[keyName(s.Key)]++
	}
	if s.Authenticated {
		t.auth++
	}
	t.expires[until(s.Expires, t.now)]++
	if s.Saved.IsZero() {
		t.saved[unknown]++
	} else {
		t.saved[spanOf(max(0, t.now.Sub(s.Saved)))]++
	}
	t.keys(s)
}

func until(expires, now time.Time) string {
	if expires.IsZero() {
		return never
	}
	return spanOf(expires.Sub(now))
}

func keyName(n int) string {
	if n == 1 {
		return "key 1 (SECRET_KEY)"
	}
	return "key " + strconv.Itoa(n) + " (fallback)"
}

// keys counts each name once per session: several that are masked to one are one.
func (t *Tally) keys(s Session) {
	bytes, crossing := 0, 0
	counted := map[string]bool{}
	for _, k := range s.Keys {
		name := k.Name
		fate := t.fate(name)
		if !fate.exact {
			name = Mask(name)
		}
		r := t.row(name, fate)
		if r == nil {
			t.hidden++
			continue
		}
		if !counted[name] {
			counted[name] = true
			r.count++
		}
		r.sizes = append(r.sizes, k.Size)
		r.types[typeOf(k)]++
		r.class = max(r.class, k.class(s.Format)) // C is worse than B, and B than A
		if why := whyNot(k, fate); why != "" {
			r.stays[why]++
			continue
		}
		r.moves++
		bytes += len(k.Name) + k.Size
		crossing++
	}
	if bytes > t.rules.MaxBytes || crossing > t.rules.MaxKeys {
		t.tooLarge++
	}
}

func typeOf(k Key) string {
	if !k.JSON && k.Odd != k.Type && k.Odd != "" {
		return k.Type + " with " + k.Odd
	}
	return k.Type
}

// ruled is a fate, and whether the name itself was declared, and so may be shown.
type ruled struct {
	mapping.Fate
	exact bool
}

func (t *Tally) fate(name string) ruled {
	if name == "_crossfade" { // the client package's own notes, which do not cross as data
		return ruled{Fate: mapping.Fate{Name: name, Declared: true, Reason: "crossfade's own"}, exact: true}
	}
	f := ruled{Fate: t.rules.Mapping.Fate(name)}
	f.exact = t.rules.Mapping.Names(name)
	return f
}

// whyNot is why a value would stay behind; empty: it crosses.
func whyNot(k Key, f ruled) string {
	switch {
	case f.Reason != "":
		return f.Reason
	case !k.JSON && k.Opaque != "":
		return "an object of " + k.Opaque
	case !k.JSON:
		return "not JSON: " + k.Odd
	case len(k.Name) > maxKeyBytes:
		return "name too long"
	}
	return ""
}

func (t *Tally) row(name string, f ruled) *row {
	r, ok := t.rows[name]
	if !ok && len(t.rows) < maxRows {
		r = &row{name: name, types: map[string]int{}, stays: map[string]int{}, class: Lossless, fate: f.Fate}
		t.rows[name] = r
	}
	return r
}

// Report is what was counted so far.
func (t *Tally) Report(store Store) *Report {
	n := t.live
	out := &Report{Store: store, Taken: t.now.UTC().Truncate(time.Second), Read: t.read, Expired: t.expired, Live: n,
		Formats: shares(t.formats, n), Problems: shares(t.problems, n), VerifiedBy: shares(t.verified, n),
		Authenticated: share("authenticated", t.auth, n), Anonymous: share("anonymous", n-t.auth, n),
		Saved: inOrder(t.saved, n, unknown), Expires: inOrder(t.expires, n, never), Size: sizes(t.sizes),
		TooLarge: share("too large", t.tooLarge, n), Hidden: t.hidden, Unknown: []string{}, Keys: []KeyRow{},
		Limits: map[string]int{"bytes": t.rules.MaxBytes, "keys": t.rules.MaxKeys}}
	for _, c := range []Class{Lossless, AllowList, Identity} {
		one := share(string(c), t.classes[string(c)], n)
		if store.Whole {
			one.Low, one.High = one.Share, one.Share
		}
		out.Classes = append(out.Classes, one)
	}
	for _, r := range t.rows {
		out.Keys = append(out.Keys, t.keyRow(r))
	}
	slices.SortFunc(out.Keys, func(a, b KeyRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	for _, k := range out.Keys {
		if !k.Rule && k.Owner == "" {
			out.Unknown = append(out.Unknown, k.Name)
		}
	}
	return out
}

func (t *Tally) keyRow(r *row) KeyRow {
	values := len(r.sizes)
	out := KeyRow{Name: r.name, Count: r.count, Types: shares(r.types, values), Class: r.class, Rule: r.fate.Declared,
		Moves: r.moves, Stays: shares(r.stays, values), Size: sizes(r.sizes)}
	if t.live > 0 {
		out.Share = float64(r.count) / float64(t.live)
	}
	if r.moves > 0 {
		out.Target = r.fate.Name
		if r.fate.Name != r.name && !t.rules.Mapping.Names(r.name) {
			out.Target = Mask(r.fate.Name)
		}
	}
	if t.rules.Owners != nil {
		out.Owner, out.Rule = first(t.rules.Owners, r.name, out.Rule)
	}
	if out.Owner == "" {
		out.Owner = t.rules.Mapping.Owner(r.name)
	}
	if out.Owner == "" {
		out.Owner = usualOwner(r.name)
		out.Guess = out.Owner != ""
	}
	return out
}

func first(owners Owners, name string, declared bool) (string, bool) {
	owner, known := owners(name)
	return owner, declared || known
}
