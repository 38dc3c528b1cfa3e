// Package realsite is a whole site in one process for random histories: the real edge, the real session
// manager on the real embedded store, and a legacy application that is faked in memory.
//
// Invariant: the fake keeps the rules that client/python/DESIGN.md lays down for a legacy side, so that
// what holds here is a statement about Crossfade and not about the fake. Only tests use it.
package realsite

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

// legacySite is the state of the fake legacy system.
type legacySite struct {
	mu        sync.Mutex
	now       func() time.Time
	seq       int
	rows      map[string]*row
	handed    map[string]session.Lineage // keys that an exchange took over
	tombs     map[session.Lineage]bool
	passwords map[string]int // generation of the subject's password
	inactive  map[string]bool

	bridgeDown bool                 // calls fail before they happen
	answerLost bool                 // calls happen, their answers are lost
	late       []legacy.RestoreCall // for counterparts, given up by the edge and still on their way
}

// row is one legacy session.
type row struct {
	data    map[string]json.RawMessage
	subject string
	hash    int // password generation at login: the auth hash
	auth    time.Time
	born    session.Mark
	visitor session.VisitorID
	lineage session.Lineage
	gen     uint32
	version uint64
	kept    bool // a counterpart that no browser was seen with
	expires time.Time
}

func (r *row) kind() session.Kind {
	if r.subject != "" {
		return session.Authenticated
	}
	return session.Guest
}

const legacyLife = 14 * 24 * time.Hour

func newLegacySite(now func() time.Time) *legacySite {
	return &legacySite{now: now, rows: map[string]*row{}, handed: map[string]session.Lineage{},
		tombs: map[session.Lineage]bool{}, passwords: map[string]int{}, inactive: map[string]bool{}}
}

func (s *legacySite) newKey() string {
	s.seq++
	return fmt.Sprintf("legacykey%023d", s.seq)
}

// load is the session of a key, or nil: unknown, expired, of an ended lineage, or of a user whose
// password changed. As in Django, a failed check removes the row.
func (s *legacySite) load(key string) *row {
	r := s.rows[key]
	if r == nil {
		return nil
	}
	if s.tombs[r.lineage] || !s.now().Before(r.expires) ||
		r.subject != "" && (r.hash != s.passwords[r.subject] || s.inactive[r.subject]) {
		delete(s.rows, key)
		return nil
	}
	return r
}

// reach counts a bridge call: an error if the bridge is down.
func (s *legacySite) reach(ctx context.Context) error {
	if s.bridgeDown {
		return fault.New(fault.Unavailable, "the bridge does not answer")
	}
	return ctx.Err()
}

// lost turns an answer that was computed into one that never arrived.
func (s *legacySite) lost() error {
	if s.answerLost {
		return fault.New(fault.Unavailable, "the bridge's answer was lost")
	}
	return nil
}

func (s *legacySite) view(key string) legacy.View {
	r := s.load(key)
	if r == nil {
		return legacy.View{}
	}
	return legacy.View{Found: true, Moved: !s.handed[key].IsZero(), Kind: r.kind(), Subject: r.subject, Lineage: r.lineage,
		Visitor: r.visitor, AuthTime: r.auth, Born: r.born, Expires: r.expires}
}

// Inspect implements [legacy.Bridge].
func (s *legacySite) Inspect(ctx context.Context, key string) (legacy.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return legacy.View{}, err
	}
	return s.view(key), s.lost()
}

// Exchange implements [legacy.Bridge].
func (s *legacySite) Exchange(ctx context.Context, in legacy.ExchangeCall) (legacy.ExchangeAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return legacy.ExchangeAnswer{}, err
	}
	r := s.load(in.Key)
	if r == nil {
		return legacy.ExchangeAnswer{}, s.lost()
	}
	if r.lineage.IsZero() {
		r.lineage = in.Lineage
	}
	if s.handed[in.Key].IsZero() {
		s.handed[in.Key] = r.lineage
	}
	out := legacy.ExchangeAnswer{View: s.view(in.Key), Generation: r.gen, Idle: legacyLife, Data: map[string]json.RawMessage{}}
	for k, v := range r.data {
		out.Data[k] = v
	}
	if r.subject != "" {
		out.Data["_auth_user_hash"] = hashJSON(r.hash)
		if in.Counterpart != "" {
			if old := s.rows[in.Counterpart]; old == nil || old.kept {
				c := *r
				c.data, c.kept, c.version = cloneData(r.data), true, math.MaxUint64
				s.rows[in.Counterpart] = &c
				out.Counterpart = in.Counterpart
			}
		}
	}
	return out, s.lost()
}

// Restore implements [legacy.Bridge].
func (s *legacySite) Restore(ctx context.Context, in legacy.RestoreCall) (legacy.RestoreAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return legacy.RestoreAnswer{}, err
	}
	if s.answerLost && in.Purpose == legacy.Counterpart {
		s.late = append(s.late, in)
		return legacy.RestoreAnswer{}, s.lost()
	}
	return s.restore(in), s.lost()
}

// restore keeps the rules of the client package. The site's lock is held.
func (s *legacySite) restore(in legacy.RestoreCall) legacy.RestoreAnswer {
	if s.tombs[in.Lineage] {
		return legacy.RestoreAnswer{Ended: true, Reason: "tombstone"}
	}
	beside := in.Purpose == legacy.Counterpart
	r := &row{data: cloneData(in.Data), subject: in.Subject, auth: in.AuthTime, born: in.Born, visitor: in.Visitor,
		lineage: in.Lineage, gen: in.Generation, version: in.Version, kept: beside, expires: in.Expires}
	if in.Subject != "" {
		var hash int
		if json.Unmarshal(r.data["_auth_user_hash"], &hash) != nil || hash != s.passwords[in.Subject] || s.inactive[in.Subject] {
			if beside {
				return legacy.RestoreAnswer{Reason: "auth_hash"}
			}
			s.tombs[in.Lineage] = true
			return legacy.RestoreAnswer{Ended: true, Reason: "auth_hash"}
		}
		r.hash = hash
	}
	delete(r.data, "_auth_user_hash")
	if old := s.rows[in.Key]; beside && old != nil {
		switch {
		case !old.kept || !s.handed[in.Key].IsZero():
			return legacy.RestoreAnswer{Reason: legacy.KeptServed}
		case old.gen > in.Generation || old.gen == in.Generation && old.version > in.Version:
			return legacy.RestoreAnswer{Reason: legacy.KeptNewer}
		}
	}
	s.rows[in.Key] = r
	delete(s.handed, in.Key)
	return legacy.RestoreAnswer{Restored: true}
}

// arrive carries out what the edge gave up waiting for.
func (s *legacySite) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.late {
		s.restore(in)
	}
	s.late = nil
}

// End implements [legacy.Bridge].
func (s *legacySite) End(ctx context.Context, in legacy.EndCall) (legacy.EndAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return legacy.EndAnswer{}, err
	}
	n := 0
	if !in.Lineage.IsZero() {
		s.tombs[in.Lineage] = true
	}
	for key, r := range s.rows {
		switch {
		case r.lineage == in.Except && !in.Except.IsZero():
			continue
		case in.Everybody, in.Subject != "" && r.subject == in.Subject, !in.Lineage.IsZero() && r.lineage == in.Lineage:
			if in.Lineage.IsZero() && in.Before != 0 && r.born >= in.Before {
				continue
			}
			if !r.lineage.IsZero() {
				s.tombs[r.lineage] = true
			}
			delete(s.rows, key)
			n++
		}
	}
	return legacy.EndAnswer{Ended: n}, s.lost()
}

func hashJSON(n int) json.RawMessage { return json.RawMessage(fmt.Sprint(n)) }

func cloneData(in map[string]json.RawMessage) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(in))
	for k, v := range in {
		out[k] = v
	}
	return out
}
