package edge

import (
	"context"
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

// exchange takes a legacy session over: the browser's own, or for Reopen the one that the token's restore
// made. Parallel tabs share one exchange.
func (c *crossing) exchange(ctx context.Context, op handover.Op) handover.Outcome {
	key, into := c.key, session.ID{}
	held := c.p.resolution.Session
	switch op {
	case handover.Reopen:
		if held == nil || held.LegacyKey == "" {
			return handover.Absent
		}
		key = held.LegacyKey
	case handover.TakeOver:
		into = held.ID
	}
	flight := "exchange\x00" + key + "\x00" + string(c.p.visitor.ID[:]) + string(into[:])
	out, _, _ := c.p.e.flights.Do(flight, func() (any, error) {
		return c.p.e.exchange(context.WithoutCancel(ctx), exchangeOrder{
			key: key, into: into, visitor: c.p.visitor.ID, device: c.p.device(), killed: c.killed, request: c.p.id,
		}), nil
	})
	done := out.(exchangeDone)
	c.exchanged, c.lineage = done.exchanged, done.lineage
	if op == handover.Reopen && done.outcome == handover.Absent && c.visit.Token == handover.TokenMoving {
		return c.release(ctx)
	}
	if done.outcome == handover.Refused && done.end != "" {
		c.end(ctx, done.end, done.legacyDone)
	}
	return done.outcome
}

// release gives a session back to the new side whose restore never reached legacy: the bridge has just
// said that it has no such session.
func (c *crossing) release(ctx context.Context) handover.Outcome {
	if !c.p.e.unclaim(ctx, c.p.resolution.Session.ID, c.killed) {
		return handover.Unreachable // somebody else settled it; the next entry sees how
	}
	return handover.Absent
}

// unclaim releases a claim of whoever it was, and reports whether the session is live again.
func (e *Edge) unclaim(ctx context.Context, id session.ID, killed bool) bool {
	claim, err := storeWrite(e, ctx, killed, func(ctx context.Context) (session.Claim, error) {
		claim, err := e.deps.Sessions.ClaimRestore(ctx, id)
		if err != nil || claim.Done {
			return claim, err
		}
		return claim, e.deps.Sessions.ReleaseRestore(ctx, claim)
	})
	return err == nil && !claim.Done
}

// exchangeOrder is one exchange to be made.
type exchangeOrder struct {
	key     string
	into    session.ID
	visitor session.VisitorID
	device  session.Device
	killed  bool
	request string
	// followed: key is where the session of the key that was presented has gone since.
	followed bool
}

type exchangeDone struct {
	outcome    handover.Outcome
	exchanged  session.Exchanged
	lineage    session.Lineage
	end        string // reason to end the lineage; empty: leave it
	legacyDone bool   // legacy has ended its side already
}

// exchange asks the session store first: marking the legacy session as moved while nobody can write the
// new one would leave the visitor with neither.
func (e *Edge) exchange(ctx context.Context, o exchangeOrder) exchangeDone {
	before, err := storeCall(e, ctx, o.killed, func(ctx context.Context) (session.Succession, error) {
		if err := e.deps.Sessions.Ready(ctx); err != nil { // past the caches, which outlive the store
			return session.Succession{}, err
		}
		return e.deps.Sessions.Succession(ctx, o.key)
	})
	switch {
	case err != nil:
		return exchangeDone{outcome: handover.Unreachable}
	case before.Ended:
		return exchangeDone{outcome: handover.Refused, lineage: before.Lineage, end: "lineage ended"}
	case before.Moved && !before.Open:
		return exchangeDone{outcome: handover.Refused} // it proves nothing any more; its lineage lives on
	}
	answer, err := e.bridgeExchange(ctx, o)
	switch {
	case err != nil:
		e.deps.Log.Warn("exchange: the bridge did not answer", "request", o.request, "error", firstLine(err))
		return exchangeDone{outcome: handover.Unreachable}
	case answer.Ended:
		return exchangeDone{outcome: handover.Refused, lineage: answer.Lineage, end: "legacy session ended", legacyDone: true}
	case !answer.Found:
		return exchangeDone{outcome: handover.Absent}
	}
	moved, left, undeclared := e.deps.Mapping.Apply(answer.Data)
	if left = append(answer.LeftBehind, left...); len(left)+len(undeclared) > 0 {
		e.obs.LeftBehind(left, undeclared)
	}
	made, err := storeWrite(e, ctx, false, func(ctx context.Context) (session.Exchanged, error) {
		return e.deps.Sessions.Exchange(ctx, session.Exchange{
			LegacyKey: o.key, Lineage: answer.Lineage, Visitor: o.visitor, Origin: e.cfg.Legacy.Name,
			Kind: answer.Kind, Subject: answer.Subject, AuthTime: answer.AuthTime, Born: answer.Born,
			ExpiresAt: e.remaining(answer), Idle: answer.Idle, Data: moved, Generation: answer.Generation,
			Counterpart: answer.Counterpart, CounterpartAt: answer.Expires, Into: o.into, Device: o.device,
			Transient: answer.Transient,
		})
	})
	if err != nil {
		e.deps.Log.Warn("exchange: the new session could not be written", "request", o.request, "lineage", answer.Lineage.String(), "error", err)
		return exchangeDone{outcome: handover.Unreachable}
	}
	if made.Follow != "" {
		return e.follow(ctx, o, made)
	}
	done := exchangeDone{outcome: handover.Done, exchanged: made, lineage: answer.Lineage}
	if made.Refused != "" {
		done.outcome = handover.Refused
		if made.Refused != session.RefusedClosed {
			done.end = "exchange refused: " + string(made.Refused) // legacy is to end it as well
		}
	}
	return done
}

// follow exchanges the key under which the session of the presented one has gone back to legacy.
func (e *Edge) follow(ctx context.Context, o exchangeOrder, to session.Exchanged) exchangeDone {
	if o.followed {
		return exchangeDone{outcome: handover.Unreachable} // it moves faster than we follow: the next entry will
	}
	o.followed = true
	there := o
	there.key = to.Follow
	done := e.exchange(ctx, there)
	if done.outcome == handover.Absent && !to.Claimed.IsZero() && e.unclaim(ctx, to.Claimed, o.killed) {
		return e.exchange(ctx, o)
	}
	return done
}

// bridgeExchange calls the bridge. Operation, lineage and counterpart key follow from the legacy key, so
// that a retry, by whichever edge, repeats the call and is answered the same.
func (e *Edge) bridgeExchange(ctx context.Context, o exchangeOrder) (legacy.ExchangeAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.Handover.BridgeDeadline)
	defer cancel()
	key := []byte(o.key)
	operation := e.deps.Ring.Hash("exchange operation", key)
	lineage := e.deps.Ring.Hash("exchange lineage", key)
	counterpart := e.deps.Ring.Hash("exchange counterpart", key)
	return e.deps.Bridge.Exchange(ctx, legacy.ExchangeCall{
		Operation: legacy.Operation(operation[:16]), Key: o.key, Lineage: session.Lineage(lineage[:16]),
		Visitor: o.visitor, Counterpart: legacyKeyOf(counterpart),
	})
}

// remaining is the life that the session had over there. A legacy that does not know gives it the idle
// life, or else that of a counterpart.
func (e *Edge) remaining(a legacy.ExchangeAnswer) time.Time {
	switch {
	case !a.Expires.IsZero():
		return a.Expires
	case a.Idle > 0:
		return e.deps.Clock().Add(a.Idle)
	}
	return e.deps.Clock().Add(e.cfg.Handover.CounterpartLife)
}

// legacyKeyOf spells 32 random bytes as a legacy session key. That 36 does not divide 256 costs less than
// a tenth of a bit of the 165.
func legacyKeyOf(random [32]byte) string {
	var out [legacy.KeyLength]byte
	for i, b := range random {
		out[i] = legacy.KeyAlphabet[int(b)%len(legacy.KeyAlphabet)]
	}
	return string(out[:])
}
