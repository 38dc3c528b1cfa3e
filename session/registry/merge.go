package registry

import (
	"encoding/json"
	"time"
)

// Value is what one side of a merge holds.
type Value struct {
	JSON    json.RawMessage
	Written time.Time // zero: not known, and older than every time that is
}

// Merge says what a session holds under a key that both sides have, in at most room bytes; the user's value
// fits into them. What does not fit is dropped and counted. The answer is one of the two values byte for
// byte, or their union.
func (r *Registry) Merge(key string, guest, user Value, room int) json.RawMessage {
	rule := r.Rule(key)
	if rule == nil {
		return user.JSON
	}
	if rule.MaxBytes > 0 {
		room = min(room, max(rule.MaxBytes, len(user.JSON)))
	}
	switch {
	case rule.Merge == KeepGuest, rule.Merge == LastWriter && guest.Written.After(user.Written):
		if len(guest.JSON) > room {
			r.count(rule.Owner, EventDropped, 1)
			return user.JSON
		}
		return guest.JSON
	case rule.Merge != Union || isNull(guest.JSON):
		return user.JSON
	case isNull(user.JSON) && len(guest.JSON) <= room:
		return guest.JSON
	}
	out, dropped, ok := union(user.JSON, guest.JSON, room)
	if !ok {
		r.count(rule.Owner, EventMismatch, 1)
		return user.JSON
	}
	r.count(rule.Owner, EventDropped, dropped)
	return out
}
