package session

import (
	"encoding/json"
	"maps"
	"time"

	"crossfade.dev/crossfade/session/registry"
)

// UseRegistry puts another registry of attributes in the place of the present one, from the next call on.
// Nil: no rules.
func (m *Manager) UseRegistry(r *registry.Registry) { m.registry.Store(r) }

// Attribute says what the registry knows of a key: who answers for it, and whether it is about a person.
func (m *Manager) Attribute(key string) (owner string, personal bool) {
	rules := m.registry.Load()
	return rules.Owner(key), rules.Personal(key)
}

// checkWrite refuses what could never be stored, and what the registry does not allow.
func (m *Manager) checkWrite(writer string, set map[string]json.RawMessage, del []string) error {
	if err := m.cfg.Limits.checkValues(set); err != nil {
		return err
	}
	rules := m.registry.Load()
	if rules == nil {
		return nil
	}
	for _, k := range sortedKeys(set) { // in one order, so that the same patch is refused for the same key
		if IsPrivate(k) {
			continue
		}
		if err := rules.CheckWrite(writer, k, set[k]); err != nil {
			return err
		}
	}
	for _, k := range del {
		if IsPrivate(k) {
			continue
		}
		if err := rules.CheckWrite(writer, k, nil); err != nil {
			return err
		}
	}
	return nil
}

// crossed counts what came from legacy and breaks a rule.
func (m *Manager) crossed(data map[string]json.RawMessage) {
	rules := m.registry.Load()
	for k, v := range data {
		if !IsPrivate(k) {
			rules.Crossed(k, v)
		}
	}
}

// edit gives the attributes after a patch at the version that it makes, with the times that the registry
// needs, and whether anything changed.
func (m *Manager) edit(old map[string]Attribute, set map[string]json.RawMessage, del []string, version uint64, now time.Time) (map[string]Attribute, bool, error) {
	out, changed, err := m.cfg.Limits.edit(old, set, del, version)
	rules := m.registry.Load()
	if err != nil || !rules.AnyTimed() {
		return out, changed, err
	}
	renew := func(k string) bool {
		a, ok := out[k]
		_, set := set[k]
		return ok && rules.Timed(k) && (a.Version == version || a.Written.IsZero() && changed || set && rules.Renew(k, a.Written, now))
	}
	for k := range out {
		if !renew(k) {
			continue
		}
		if !changed {
			out, changed = maps.Clone(out), true
		}
		a := out[k]
		a.Written = now
		out[k] = a
	}
	return out, changed, nil
}

// retain takes out of a record what its retention is over for. It is so at every read; the row follows with
// the next write, or when it is swept.
func (m *Manager) retain(r *Record, now time.Time) {
	rules := m.registry.Load()
	if !rules.AnyTimed() {
		return
	}
	for k, a := range r.Attributes {
		if rules.Over(k, a.Written, now) {
			delete(r.Attributes, k) // a record that was read belongs to who read it
		}
	}
}

// merge adds a guest's attributes to the user's: where only the guest has one it is kept as far as the
// limits allow, where both have it the registry decides. It goes by the order of the keys, and what finds no
// room is dropped and counted. Private keys stay behind. What the user has was written with the login, as far
// as anybody can say.
func (m *Manager) merge(user, guest map[string]Attribute, version uint64, loggedIn time.Time) {
	rules, l := m.registry.Load(), m.cfg.Limits
	size := sizeOf(user)
	for _, k := range sortedKeys(guest) {
		g := guest[k]
		if g.Private {
			continue
		}
		u, both := user[k]
		if !both {
			if len(user) >= l.Keys || size+len(k)+len(g.Value) > l.Bytes {
				rules.Dropped(k)
				continue
			}
			size += len(k) + len(g.Value)
			g.Version = version
			user[k] = g
			continue
		}
		value := rules.Merge(k, registry.Value{JSON: g.Value, Written: g.Written}, registry.Value{JSON: u.Value, Written: loggedIn},
			len(u.Value)+max(0, l.Bytes-size))
		size += len(value) - len(u.Value)
		u.Value, u.Version = value, version
		user[k] = u
	}
}
