package session

import (
	"bytes"
	"encoding/json"
	"maps"
	"unicode/utf8"

	"crossfade.dev/crossfade/internal/fault"
)

// checkValues refuses keys and values that could never be stored. Every call that brings values asks it once,
// before anything else: reading JSON is a good part of what a patch costs.
func (l Limits) checkValues(set map[string]json.RawMessage) error {
	for k, v := range set {
		switch {
		case k == "" || !utf8.ValidString(k):
			return fault.New(fault.Invalid, "attribute key %q is empty or not UTF-8", k)
		case len(k) > l.KeyBytes:
			return fault.New(fault.Exhausted, "attribute key %.32q… has %d bytes, allowed are %d", k, len(k), l.KeyBytes).
				WithHint("shorten the key, or raise session.limits.key_bytes")
		case !json.Valid(v):
			return fault.New(fault.Invalid, "value of attribute %q is not JSON", k).
				WithHint(`a text has to be quoted: "\"text\""`)
		}
	}
	return nil
}

// checkTotal refuses a session that would hold too much.
func (l Limits) checkTotal(attrs map[string]Attribute) error {
	if len(attrs) > l.Keys {
		return fault.New(fault.Exhausted, "session would have %d attributes, allowed are %d", len(attrs), l.Keys).
			WithHint("delete keys in the same patch, or raise session.limits.keys")
	}
	if n := sizeOf(attrs); n > l.Bytes {
		return fault.New(fault.Exhausted, "attributes of the session would take %d bytes, allowed are %d", n, l.Bytes).
			WithHint("keep large values elsewhere and their key here, or raise session.limits.bytes")
	}
	return nil
}

func sizeOf(attrs map[string]Attribute) int {
	n := 0
	for k, a := range attrs {
		n += len(k) + len(a.Value)
	}
	return n
}

// edit gives the attributes after a patch at the version that it makes, and whether anything changed.
// A value that stays the same keeps its version: nothing is written for it. What is set has passed checkValues.
func (l Limits) edit(old map[string]Attribute, set map[string]json.RawMessage, del []string, version uint64) (map[string]Attribute, bool, error) {
	out := make(map[string]Attribute, len(old)+len(set))
	maps.Copy(out, old)
	changed := false
	for _, k := range del {
		if _, ok := out[k]; ok {
			delete(out, k)
			changed = true
		}
	}
	for k, v := range set {
		if was, ok := out[k]; ok && bytes.Equal(was.Value, v) {
			continue
		}
		out[k] = Attribute{Value: bytes.Clone(v), Version: version, Private: IsPrivate(k)}
		changed = true
	}
	if !changed {
		return old, false, nil
	}
	return out, true, l.checkTotal(out)
}

// expect refuses a patch whose author has not seen the newest value of a key that matters to him.
func expect(attrs map[string]Attribute, ifVersion map[string]uint64) error {
	for k, want := range ifVersion {
		if have := attrs[k].Version; have > want || (have == 0) != (want == 0) {
			return fault.New(fault.Conflict, "attribute %q is at version %d, not at %d", k, have, want).
				WithHint("read the session again and decide anew")
		}
	}
	return nil
}

// public leaves out what only the legacy system may read.
func public(attrs map[string]Attribute) map[string]Attribute {
	out := make(map[string]Attribute, len(attrs))
	for k, a := range attrs {
		if !a.Private {
			out[k] = a
		}
	}
	return out
}
