package registry

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// CheckWrite refuses a value that the rules do not allow, and counts it. A nil value is a deletion. writer is
// the client that writes; empty: Crossfade itself, which may write for everybody.
func (r *Registry) CheckWrite(writer, key string, value json.RawMessage) error {
	if r == nil || r.exempt(key) {
		return nil
	}
	rule := r.Rule(key)
	if rule == nil {
		return r.checkUnregistered(key, value)
	}
	if writer != "" && len(rule.Writers) > 0 && !slices.Contains(rule.Writers, writer) {
		r.count(rule.Owner, EventWriter, 1)
		return fault.New(fault.Denied, "attribute %.40q belongs to %s: client %q may not write it", key, rule.Owner, writer).
			WithHint("let one of its writers (%s) do it, or add the client to writers of session.attributes %q", strings.Join(rule.Writers, ", "), rule.Name)
	}
	if value == nil {
		return nil
	}
	if rule.MaxBytes > 0 && len(value) > rule.MaxBytes {
		r.count(rule.Owner, EventSize, 1)
		return fault.New(fault.Exhausted, "attribute %.40q would take %d bytes, its limit is %d", key, len(value), rule.MaxBytes).
			WithHint("store less in it, or ask %s to raise max_bytes of session.attributes %q", rule.Owner, rule.Name)
	}
	if is := TypeOf(value); rule.Type != Any && is != rule.Type && !isNull(value) {
		r.count(rule.Owner, EventType, 1)
		return fault.New(fault.Invalid, "attribute %.40q would be %s, it is registered as %s", key, is, rule.Type).
			WithHint("write it as %s, or ask %s to change type of session.attributes %q", rule.Type, rule.Owner, rule.Name)
	}
	return nil
}

// checkUnregistered lets anybody delete what nobody answers for.
func (r *Registry) checkUnregistered(key string, value json.RawMessage) error {
	if value == nil || r.cfg.Unregistered == "" || r.cfg.Unregistered == Allow {
		return nil
	}
	r.count(nobody, EventUnregistered, 1)
	if r.cfg.Unregistered == Count {
		return nil
	}
	return fault.New(fault.Denied, "attribute %.40q is not registered", key).
		WithHint("add it to session.attributes with name and owner, or write it under a registered name; session.unregistered: count lets it pass and counts it")
}

// Crossed counts what a value from the legacy system breaks. It is kept all the same: refusing it would
// lose what a visitor has.
func (r *Registry) Crossed(key string, value json.RawMessage) {
	if r == nil || r.exempt(key) {
		return
	}
	switch rule := r.Rule(key); {
	case rule == nil:
		if r.cfg.Unregistered == Count || r.cfg.Unregistered == Refuse {
			r.count(nobody, EventUnregistered, 1)
		}
	case rule.MaxBytes > 0 && len(value) > rule.MaxBytes:
		r.count(rule.Owner, EventSize, 1)
	case rule.Type != Any && TypeOf(value) != rule.Type && !isNull(value):
		r.count(rule.Owner, EventType, 1)
	}
}

// TypeOf is the type of a valid JSON text. null is of every type, and told as Any.
func TypeOf(value json.RawMessage) Type {
	text := bytes.TrimLeft(value, " \t\r\n")
	if len(text) == 0 {
		return Any
	}
	switch text[0] {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't', 'f':
		return Boolean
	case 'n':
		return Any
	}
	return Number
}

func isNull(value json.RawMessage) bool { return string(bytes.TrimSpace(value)) == "null" }
