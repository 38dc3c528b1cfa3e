package endrun

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// Where says which sessions end. What is set must hold, all of it; what is zero does not matter.
type Where struct {
	Subject string `json:"subject,omitempty"`
	Kind    string `json:"kind,omitempty"` // guest, authenticated
	// IssuedBefore is compared with [session.Record.IssuedAt]. A run has one of its own besides: what was issued
	// after its start is not its affair.
	IssuedBefore time.Time `json:"issued_before,omitzero"`
	// Address matches every session whose kept network overlaps it: of an address only /24 or /56 is known.
	Address netip.Prefix `json:"address,omitzero"`
	Method  string       `json:"method,omitempty"` // one of the session's login methods
	Device  string       `json:"device,omitempty"` // a part of its user agent, in any case, or its label
	Origin  string       `json:"origin,omitempty"` // the legacy system that it came from
	// Attributes must have these values: JSON, compared by value, so that 1 is 1.0 and the order of keys is none.
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"`
}

// Limits of a condition.
const (
	maxText       = 1000
	maxAttributes = 16
	maxValue      = 4 << 10
)

// Check refuses conditions that say nothing, or what no session can be.
func (w Where) Check() error {
	switch {
	case w.IsZero():
		return fault.New(fault.Invalid, "no condition is given that a session could meet").
			WithHint("to end everybody's is one write: crossfade session end --everybody")
	case reflect.DeepEqual(w, Where{Subject: w.Subject}):
		return fault.New(fault.Invalid, "all sessions of a subject are ended by a mark, not by a run").
			WithHint("crossfade session end --subject %s", strconv.Quote(w.Subject))
	case w.Kind != "" && w.Kind != session.Guest.String() && w.Kind != session.Authenticated.String():
		return fault.New(fault.Invalid, "no such kind of session: %.40q", w.Kind).WithHint("write guest or authenticated")
	case w.Kind == session.Guest.String() && (w.Subject != "" || w.Method != ""):
		return fault.New(fault.Invalid, "a guest has neither subject nor login method")
	case len(w.Attributes) > maxAttributes:
		return fault.New(fault.Invalid, "%d attributes are more than %d", len(w.Attributes), maxAttributes)
	}
	for _, text := range []string{w.Subject, w.Method, w.Device, w.Origin} {
		if len(text) > maxText {
			return fault.New(fault.Invalid, "a condition has more than %d bytes", maxText)
		}
	}
	for key, value := range w.Attributes {
		switch {
		case key == "" || session.IsPrivate(key):
			return fault.New(fault.Denied, "attribute %.40q is the legacy system's own", key)
		case len(key) > maxText || len(value) > maxValue:
			return fault.New(fault.Invalid, "attribute %.40q is compared with more than %d bytes", key, maxValue)
		case !json.Valid(value):
			return fault.New(fault.Invalid, "attribute %.40q is compared with what is no JSON: %.60s", key, value).
				WithHint(`a text has quotes: plan="trial"; numbers, true, false and null have none`)
		}
	}
	return nil
}

// IsZero reports whether there is no condition.
func (w Where) IsZero() bool { return reflect.DeepEqual(w, Where{}) }

// Match reports whether a record meets every condition. Its attributes must be there.
func (w Where) Match(r *session.Record) bool {
	switch {
	case w.Subject != "" && r.Subject != w.Subject,
		w.Kind != "" && r.Kind.String() != w.Kind,
		!w.IssuedBefore.IsZero() && !r.IssuedAt().Before(w.IssuedBefore),
		w.Address.IsValid() && !(r.Device.Network.IsValid() && r.Device.Network.Overlaps(w.Address)),
		w.Method != "" && !slices.Contains(r.Methods, w.Method),
		w.Device != "" && !strings.Contains(strings.ToLower(r.Device.Agent), strings.ToLower(w.Device)) && r.Device.Label != w.Device,
		w.Origin != "" && r.Origin != w.Origin:
		return false
	}
	for key, want := range w.Attributes {
		if have, ok := r.Attributes[key]; !ok || have.Private || !equalJSON(have.Value, want) {
			return false
		}
	}
	return true
}

// String says it in words, the same each time.
func (w Where) String() string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if w.Subject != "" {
		say("subject %s", w.Subject)
	}
	if w.Kind != "" {
		say("%s", w.Kind)
	}
	if !w.IssuedBefore.IsZero() {
		say("issued before %s", w.IssuedBefore.UTC().Format(time.RFC3339))
	}
	if w.Address.IsValid() {
		say("address in %s", w.Address)
	}
	if w.Method != "" {
		say("method %s", w.Method)
	}
	if w.Device != "" {
		say("device %q", w.Device)
	}
	if w.Origin != "" {
		say("from %s", w.Origin)
	}
	for _, key := range slices.Sorted(maps.Keys(w.Attributes)) {
		say("%s = %s", key, w.Attributes[key])
	}
	return strings.Join(parts, " and ")
}

func equalJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errA := decodeJSON(a)
	y, errB := decodeJSON(b)
	return errA == nil && errB == nil && equalValue(x, y)
}

func decodeJSON(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func equalValue(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumber(a.String(), b.String())
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalValue)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equalValue)
	}
	return a == b
}

// equalNumber compares whole numbers digit by digit, since ids may be longer than what a float64 tells apart.
func equalNumber(a, b string) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(a, ".eE") && !strings.ContainsAny(b, ".eE") {
		return false
	}
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	return errA == nil && errB == nil && x == y
}
