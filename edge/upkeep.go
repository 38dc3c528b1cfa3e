package edge

import (
	"context"
	"sync"
	"time"

	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

const (
	upkeepAtOnce = 8                // counterparts that are touched at the same time; more wait for their next visit
	upkeepPause  = 30 * time.Second // before a session whose counterpart could not be touched is tried again
	upkeepMemory = 4096             // sessions that are remembered for that
)

// upkeep keeps counterparts alive: while a way back exists every authenticated session on new has a live
// legacy session beside it. It works behind the visitor's back; the ticket follows with the next entry.
type upkeep struct {
	e     *Edge
	slots chan struct{}
	wait  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	tried  map[session.ID]time.Time
}

func newUpkeep(e *Edge) *upkeep {
	return &upkeep{e: e, slots: make(chan struct{}, upkeepAtOnce), tried: map[session.ID]time.Time{}}
}

// due reports whether a session's counterpart is past half its life, or missing. One that lives as long as
// the session itself cannot be made to live longer.
func (u *upkeep) due(s *session.Session, now time.Time) bool {
	if s.Kind != session.Authenticated || s.State != session.StateLive || !s.Written {
		return false
	}
	life := u.e.cfg.Handover.CounterpartLife
	if s.LegacyKey == "" {
		return true
	}
	return s.LegacyExpires.Sub(now) < life/2 && s.LegacyExpires.Before(s.ExpiresAt)
}

// visit touches the counterpart of a session that was just served, in the background, if it is due.
func (u *upkeep) visit(s *session.Session, now time.Time) {
	if !u.due(s, now) || !u.begin(s.ID, now) {
		return
	}
	go func() {
		defer func() { <-u.slots; u.wait.Done() }()
		u.touch(s, now)
	}()
}

func (u *upkeep) begin(id session.ID, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.tried[id]; u.closed || (ok && now.Sub(last) < upkeepPause) {
		return false
	}
	select {
	case u.slots <- struct{}{}:
	default:
		return false
	}
	if len(u.tried) >= upkeepMemory {
		clear(u.tried)
	}
	u.tried[id] = now
	u.wait.Add(1)
	return true
}

// touch writes the counterpart again, under its own key while it has one, so that older tickets go on
// working.
func (u *upkeep) touch(s *session.Session, now time.Time) {
	e := u.e
	ctx, cancel := context.WithTimeout(context.Background(), 2*e.cfg.Handover.StoreDeadline+e.cfg.Handover.BridgeDeadline)
	defer cancel()
	outcome := "unreachable"
	defer func() {
		e.obs.Operated(Operated{Name: "counterpart", Outcome: outcome, Duration: e.deps.Clock().Sub(now)})
	}()
	current, attributes, err := e.deps.Sessions.Read(ctx, s.ID)
	if err != nil || current.State != session.StateLive || current.Kind != session.Authenticated {
		return
	}
	key := current.LegacyKey
	if key == "" {
		key = e.freshKey()
	}
	expires := now.Add(e.cfg.Handover.CounterpartLife)
	if expires.After(current.ExpiresAt) {
		expires = current.ExpiresAt
	}
	if outcome, err = e.writeCounterpart(ctx, current, attributes, key, expires); err != nil {
		e.deps.Log.Warn("a counterpart could not be touched", "session", s.ID.String(), "error", err)
	}
	if outcome != "done" {
		return
	}
	if err := e.deps.Sessions.AttachCounterpart(ctx, s.ID, key, expires); err != nil {
		outcome = "unreachable"
		e.deps.Log.Warn("a counterpart could not be recorded", "session", s.ID.String(), "error", err)
	}
}

// writeCounterpart has legacy write a session's data under the key of its counterpart, and says what came
// of it: done, refused, unreachable, or why legacy left what it has alone.
func (e *Edge) writeCounterpart(ctx context.Context, s *session.Session, attributes map[string]session.Attribute, key string, expires time.Time) (outcome string, err error) {
	written := *s
	written.ExpiresAt = expires
	answer, err := e.bridgeRestore(ctx, session.Claim{Session: &written}, legacy.Counterpart, key, legacy.Operation(e.random16()), attributes)
	switch {
	case err != nil:
		return "unreachable", err
	case answer.Ended:
		if _, err := e.deps.Sessions.End(ctx, session.End{Lineage: s.Lineage, Reason: "legacy refused: " + answer.Reason, LegacyDone: true}); err != nil {
			e.obs.Counted(CountEndFailed, 0)
			e.deps.Log.Error("a lineage that legacy refused could not be ended", "lineage", s.Lineage.String(), "error", err)
		}
		return "refused", nil
	case answer.Restored:
		return "done", nil
	}
	switch answer.Reason {
	case legacy.KeptNewer, legacy.KeptServed, legacy.KeptUnknown:
		return answer.Reason, nil
	}
	return "refused", nil
}

func (u *upkeep) close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.wait.Wait()
}
