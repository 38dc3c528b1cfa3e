package registry

import "time"

// Timed reports whether the time of a key's last write matters: it is kept for those alone.
func (r *Registry) Timed(key string) bool {
	rule := r.Rule(key)
	return rule != nil && rule.needsTime()
}

// AnyTimed reports whether it matters for any key.
func (r *Registry) AnyTimed() bool { return r != nil && r.timed }

// Over reports whether a key's retention has passed. A time that is not known is not over: it begins to
// count when the session is written or swept next.
func (r *Registry) Over(key string, written, now time.Time) bool {
	rule := r.Rule(key)
	return rule != nil && rule.Retention > 0 && !written.IsZero() && !now.Before(written.Add(rule.Retention))
}

// Renew reports whether a write that changes nothing is worth storing for its time alone: once a tenth of
// the retention has passed.
func (r *Registry) Renew(key string, written, now time.Time) bool {
	rule := r.Rule(key)
	return rule != nil && rule.Retention > 0 && now.Sub(written) >= rule.Retention/10
}

// Expired counts attributes of a key whose retention was over.
func (r *Registry) Expired(key string) { r.count(r.owner(key), EventExpired, 1) }

// Personal reports whether a key is declared to be about a person.
func (r *Registry) Personal(key string) bool {
	rule := r.Rule(key)
	return rule != nil && rule.Personal
}

// Owner is who answers for a key; empty: nobody.
func (r *Registry) Owner(key string) string {
	if rule := r.Rule(key); rule != nil {
		return rule.Owner
	}
	return ""
}
