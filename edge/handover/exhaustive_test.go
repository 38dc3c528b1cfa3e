package handover_test

import (
	"fmt"
	"testing"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
)

// walk visits every path through the decision: every input, and for every operation that it asks for
// every outcome that the world could answer. check sees each verdict with the visit that led to it.
func walk(t *testing.T, check func(v handover.Visit, p handover.Policy, ops []handover.Op, pl handover.Plan) error) {
	t.Helper()
	verdicts := 0
	for _, p := range []handover.Policy{{}, {Legacy: true}, {Guest: true}, {Legacy: true, Guest: true}} {
		for _, v := range inputs() {
			step(t, v, p, nil, func(v handover.Visit, ops []handover.Op, pl handover.Plan) {
				verdicts++
				if err := check(v, p, ops, pl); err != nil {
					t.Errorf("%v\n visit %+v\n policy %+v\n operations %v\n plan %+v", err, v, p, ops, pl)
				}
			})
			if t.Failed() {
				return
			}
		}
	}
	if verdicts < 2000 {
		t.Fatalf("only %d verdicts walked: the walk itself is broken", verdicts)
	}
	t.Logf("%d verdicts", verdicts)
}

func inputs() []handover.Visit {
	var out []handover.Visit
	for governs := rollout.Legacy; governs <= rollout.New; governs++ {
		for token := handover.TokenNone; token < handover.TokenCount; token++ {
			for legacy := handover.LegacyAbsent; legacy <= handover.LegacyPresent; legacy++ {
				for bits := range 16 {
					v := handover.Visit{Governs: governs, Token: token, Legacy: legacy,
						Entry: bits&1 != 0, Killed: bits&2 != 0, Ticket: bits&4 != 0, Frozen: bits&8 != 0}
					if v.Killed && governs == rollout.New || v.Ticket && !ticketed(token) {
						continue // the kill switch governs by definition; only a login has a ticket, and it counts beside its token
					}
					out = append(out, v)
				}
			}
		}
	}
	return out
}

func step(t *testing.T, v handover.Visit, p handover.Policy, ops []handover.Op, done func(handover.Visit, []handover.Op, handover.Plan)) {
	if len(ops) > 4 {
		t.Fatalf("no verdict after %v for %+v", ops, v)
	}
	pl := handover.Next(v, p)
	if pl.Op == handover.Serve {
		done(v, ops, pl)
		return
	}
	ops = append(append([]handover.Op(nil), ops...), pl.Op)
	switch pl.Op {
	case handover.Inspect:
		if v.Look != handover.LookNone {
			t.Fatalf("asked twice: %v, %+v", ops, v)
		}
		for _, look := range looks(v.Token) {
			v.Look = look
			step(t, v, p, ops, done)
		}
	case handover.Succeed:
		for s := handover.SuccessionUnknown; s < handover.SuccessionCount; s++ {
			v.Succession = s
			step(t, v, p, ops, done)
		}
	case handover.Exchange, handover.TakeOver, handover.Reopen:
		for o := handover.Done; o < handover.OutcomeCount; o++ {
			v.Exchanged = o
			step(t, v, p, ops, done)
		}
	case handover.Restore:
		for _, o := range []handover.Outcome{handover.Done, handover.Refused, handover.Unreachable} {
			v.Restored = o
			step(t, v, p, ops, done)
		}
	}
}

// looks are the answers that make sense beside a token: only a session can share lineage or subject.
func looks(token handover.Token) []handover.Look {
	out := []handover.Look{handover.LookUnreachable, handover.LookGone, handover.LookAnonymous,
		handover.LookMine, handover.LookUnstamped, handover.LookTheirs}
	switch token {
	case handover.TokenAuth, handover.TokenMoving, handover.TokenMoved:
		return append(out, handover.LookSameLineage, handover.LookSameMoved, handover.LookSameSubject)
	case handover.TokenGuest:
		return append(out, handover.LookSameLineage, handover.LookSameMoved)
	}
	return out
}

func ticketed(token handover.Token) bool {
	switch token {
	case handover.TokenAuth, handover.TokenMoving, handover.TokenMoved, handover.TokenUnknown:
		return true
	}
	return false
}

// acts says that the request may change systems.
func acts(v handover.Visit) bool { return v.Entry || v.Killed }

// TestNext_I1: where the decision may write cookies, it leaves one session cookie at the most.
func TestNext_I1(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, _ []handover.Op, pl handover.Plan) error {
		if !acts(v) || v.Token == handover.TokenUnknown && (v.Governs == rollout.New || !v.Ticket) {
			return nil // nothing may be written: nothing can be judged
		}
		if v.Token == handover.TokenReadOnly && v.Governs == rollout.Legacy {
			return nil // in flight: the winner's response has the cookies
		}
		token := pl.Token == handover.Set || pl.Token == handover.Keep && v.Token != handover.TokenNone && v.Token != handover.TokenDead
		if v.Succession == handover.SuccessionClosed || v.Succession == handover.SuccessionEnded {
			return nil // the legacy cookie opens nothing
		}
		legacy := pl.Legacy == handover.Set || pl.Legacy == handover.Keep && v.Legacy == handover.LegacyPresent
		if token && legacy {
			return fmt.Errorf("I1: both cookies stay")
		}
		return nil
	})
}

// TestNext_I2: a login survives, whichever system holds it, unless that system says that it ended.
func TestNext_I2(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, _ []handover.Op, pl handover.Plan) error {
		ended := v.Exchanged == handover.Refused || v.Exchanged == handover.Absent || v.Restored == handover.Refused
		switch v.Token {
		case handover.TokenAuth, handover.TokenMoving, handover.TokenMoved:
			if ended && v.Token != handover.TokenAuth || v.Restored == handover.Refused {
				return nil
			}
			switch pl.As {
			case handover.TokenSession, handover.NewSession, handover.LegacyRestored, handover.LegacyTicket:
				return nil
			case handover.LegacyPassed:
				if v.Look == handover.LookSameLineage || v.Look == handover.LookSameSubject || !acts(v) {
					return nil
				}
				if v.Token == handover.TokenMoved && v.Look == handover.LookMine {
					return nil // it left for legacy, and this browser logged in again there
				}
			}
			if v.Restored == handover.Unreachable && !v.Ticket && (v.Killed || v.Token != handover.TokenAuth) {
				return nil // no ticket, no bridge: an authenticated session always has a ticket (see below)
			}
			if !acts(v) && v.Legacy == handover.LegacyPresent {
				return nil // the successor's own cookie decides
			}
			return fmt.Errorf("I2: a login is lost")
		case handover.TokenNone, handover.TokenDead, handover.TokenIdle:
			if v.Legacy == handover.LegacyAbsent || ended || v.Look == handover.LookGone ||
				v.Succession == handover.SuccessionClosed || v.Succession == handover.SuccessionEnded {
				return nil
			}
			if v.Token == handover.TokenIdle && (v.Look == handover.LookUnreachable || v.Look == handover.LookUnstamped || v.Look == handover.LookTheirs) {
				return nil // not this browser's own login, as far as anybody can tell
			}
			if !acts(v) && v.Governs == rollout.New {
				return nil // the last entry decided that the legacy cookie is not this visitor's
			}
			if pl.As != handover.LegacyPassed && pl.As != handover.NewSession && pl.As != handover.LegacyRestored {
				return fmt.Errorf("I2: the legacy login is lost")
			}
			if pl.Legacy == handover.Drop && pl.As == handover.LegacyPassed {
				return fmt.Errorf("I2: serves the legacy session and deletes its cookie")
			}
		}
		return nil
	})
}

// TestNext_I2_ticket: with a ticket, neither store nor bridge is needed to stay logged in on legacy.
func TestNext_I2_ticket(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, _ []handover.Op, pl handover.Plan) error {
		down := v.Restored == handover.Unreachable || v.Token == handover.TokenUnknown
		if v.Killed && v.Ticket && down && pl.As != handover.LegacyTicket {
			return fmt.Errorf("the ticket is not used")
		}
		return nil
	})
}

// TestNext_I4: every identity rests on a proof that came with this request.
func TestNext_I4(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, _ []handover.Op, pl handover.Plan) error {
		bad := false
		switch pl.As {
		case handover.TokenSession:
			bad = v.Token != handover.TokenIdle && v.Token != handover.TokenGuest && v.Token != handover.TokenAuth && v.Token != handover.TokenMoving
		case handover.TokenReader:
			bad = v.Token != handover.TokenReadOnly
		case handover.NewSession:
			bad = v.Exchanged != handover.Done
		case handover.LegacyPassed:
			bad = v.Legacy != handover.LegacyPresent || v.Succession == handover.SuccessionClosed || v.Succession == handover.SuccessionEnded
		case handover.LegacyRestored:
			bad = v.Restored != handover.Done && !(v.Token == handover.TokenMoved && v.Exchanged == handover.Unreachable)
		case handover.LegacyTicket:
			bad = !v.Ticket
		}
		if bad {
			return fmt.Errorf("I4: served without proof")
		}
		if v.Look == handover.LookTheirs && v.Exchanged != handover.NotTried && v.Token != handover.TokenMoved && v.Token != handover.TokenMoving {
			return fmt.Errorf("I4: another browser's legacy session was exchanged")
		}
		return nil
	})
}

// TestNext_I5: under kill the store's silence never costs an operation that needs it.
func TestNext_I5(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, ops []handover.Op, pl handover.Plan) error {
		if !v.Killed {
			return nil
		}
		if pl.System != rollout.Legacy {
			return fmt.Errorf("I5: served on new under kill")
		}
		if v.Token == handover.TokenUnknown && len(ops) > 0 {
			return fmt.Errorf("I5: %v while the store is down", ops)
		}
		return nil
	})
}

// TestNext_I6: a request that is no entry changes neither cookies nor, for a live session, the system.
func TestNext_I6(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, ops []handover.Op, pl handover.Plan) error {
		if acts(v) {
			return nil
		}
		if pl.Token != handover.Keep || pl.Legacy != handover.Keep || pl.Guest {
			return fmt.Errorf("I6: cookies written outside an entry")
		}
		for _, op := range ops {
			if op == handover.Exchange || op == handover.TakeOver || op == handover.Reopen {
				return fmt.Errorf("I6: %v outside an entry", op)
			}
		}
		live := v.Token == handover.TokenIdle || v.Token == handover.TokenGuest || v.Token == handover.TokenAuth
		if live && v.Governs == rollout.New && pl.System != rollout.New {
			return fmt.Errorf("I6: moved outside an entry")
		}
		return nil
	})
}

// TestNext_frozen: where nobody knows who governs, a session stays in the system that has it.
func TestNext_frozen(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, ops []handover.Op, pl handover.Plan) error {
		if !v.Frozen || v.Killed {
			return nil
		}
		live := v.Token == handover.TokenIdle || v.Token == handover.TokenGuest || v.Token == handover.TokenAuth
		switch {
		case pl.Guest && v.Legacy == handover.LegacyAbsent:
			return fmt.Errorf("enrols a visitor")
		case live && v.Legacy == handover.LegacyAbsent && (pl.System != rollout.New || len(ops) > 0):
			return fmt.Errorf("hands a live session over")
		case v.Token == handover.TokenNone && pl.System == rollout.New && v.Governs == rollout.Legacy:
			return fmt.Errorf("hands a legacy session over")
		case v.Entry && v.Token == handover.TokenMoved && v.Restored == handover.Done && pl.Legacy != handover.Set:
			return fmt.Errorf("what went to legacy is not settled there")
		}
		return nil
	})
}

// TestNext_I7: an error of our own reaches the visitor only where the route forbids every fallback.
func TestNext_I7(t *testing.T) {
	walk(t, func(v handover.Visit, p handover.Policy, _ []handover.Op, pl handover.Plan) error {
		if pl.As == handover.Denied && (p.Guest || v.Token != handover.TokenUnknown || p.Legacy && (v.Ticket || v.Legacy == handover.LegacyPresent)) {
			return fmt.Errorf("I7: denied although a fallback exists")
		}
		return nil
	})
}

// TestNext_takeOver: only a login that this browser provably made on legacy becomes a guest's own.
func TestNext_takeOver(t *testing.T) {
	seen := 0
	walk(t, func(v handover.Visit, _ handover.Policy, ops []handover.Op, _ handover.Plan) error {
		for _, op := range ops {
			if op != handover.TakeOver {
				continue
			}
			seen++
			if v.Token != handover.TokenGuest || v.Look != handover.LookMine {
				return fmt.Errorf("took over a login that is not provably this browser's")
			}
		}
		return nil
	})
	if seen == 0 {
		t.Fatal("no path takes a login over")
	}
}

// TestNext_planted: beside a guest of new, a legacy login that is not provably this browser's own is
// neither served nor exchanged.
func TestNext_planted(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, _ []handover.Op, pl handover.Plan) error {
		guest := v.Token == handover.TokenIdle || v.Token == handover.TokenGuest
		planted := v.Look == handover.LookUnstamped || v.Look == handover.LookTheirs
		if guest && planted && acts(v) && v.Restored != handover.Unreachable && (pl.As == handover.LegacyPassed || pl.As == handover.NewSession) {
			return fmt.Errorf("a planted login is served")
		}
		return nil
	})
}

// TestNext_refusedRestore: a session that legacy refuses for good ends here too, or its token would live on
// where nothing proves it any more.
func TestNext_refusedRestore(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, _ []handover.Op, pl handover.Plan) error {
		if v.Restored == handover.Refused && acts(v) && !pl.EndLineage {
			return fmt.Errorf("what legacy refused lives on")
		}
		if pl.EndLineage && v.Restored != handover.Refused {
			return fmt.Errorf("a lineage ends that nobody refused")
		}
		return nil
	})
}

// TestNext_verdicts: what a verdict says fits together.
func TestNext_verdicts(t *testing.T) {
	walk(t, func(v handover.Visit, _ handover.Policy, _ []handover.Op, pl handover.Plan) error {
		switch {
		case pl.System == 0 || pl.Reason == "":
			return fmt.Errorf("no system or no reason")
		case pl.Guest && (pl.Token != handover.Set || pl.As != handover.Nobody):
			return fmt.Errorf("a guest token for somebody")
		case pl.As == handover.NewSession && pl.Token != handover.Set:
			return fmt.Errorf("a new session that the browser never gets")
		case pl.Legacy == handover.Set && pl.As != handover.LegacyRestored && pl.As != handover.LegacyTicket:
			return fmt.Errorf("a legacy cookie without a key")
		case pl.Token == handover.Set && !pl.Guest && pl.As != handover.NewSession:
			return fmt.Errorf("a token without a session")
		case v.Token == handover.TokenReadOnly && pl.Token != handover.Keep:
			return fmt.Errorf("a loser in flight overwrites the winner's token")
		case v.Token == handover.TokenUnknown && v.Governs == rollout.New && (pl.Token != handover.Keep || pl.Legacy != handover.Keep):
			return fmt.Errorf("cookies written while the store is down")
		case pl.Return && pl.As != handover.LegacyPassed && pl.As != handover.LegacyRestored:
			return fmt.Errorf("a return without a legacy cookie")
		}
		return nil
	})
}
