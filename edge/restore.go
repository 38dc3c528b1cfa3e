package edge

import (
	"context"
	"encoding/json"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

// restore gives the new session back to legacy: the token's, or the live generation of the lineage that
// the legacy key was exchanged for. Parallel tabs share one restore.
func (c *crossing) restore(ctx context.Context) handover.Outcome {
	id, err := c.restorable()
	if err != nil {
		return c.unlessGone(ctx, isGone(err))
	}
	out, _, _ := c.p.e.flights.Do("restore\x00"+string(id[:]), func() (any, error) {
		return c.p.e.restore(context.WithoutCancel(ctx), restoreOrder{id: id, killed: c.killed, visitor: c.p.visitor.ID, request: c.p.id}), nil
	})
	done := out.(restoreDone)
	c.claim = done.claim
	if done.claim.Session != nil {
		c.lineage = done.claim.Session.Lineage
	}
	if done.gone {
		return c.unlessGone(ctx, true)
	}
	return done.outcome
}

// unlessGone tells a lineage that has ended from one that has merely gone on: a parallel request may have
// restored it and brought it back since this one resolved its token, and refusing it now would end what
// lives. What cannot be told apart is asked again at the next request.
func (c *crossing) unlessGone(ctx context.Context, gone bool) handover.Outcome {
	if !gone {
		return handover.Unreachable
	}
	if c.p.token != "" && c.visit.Token != handover.TokenDead {
		switch r := c.p.e.resolve(ctx, c.p.token, c.killed); r.Worth {
		case session.WorthEnded, session.WorthExpired:
			return handover.Refused
		}
		return handover.Unreachable
	}
	c.succession = nil
	if s, err := c.ask(ctx); err == nil && s.Ended {
		return handover.Refused
	}
	return handover.Unreachable
}

func (c *crossing) restorable() (session.ID, error) {
	if s := c.p.resolution.Session; s != nil && c.visit.Token != handover.TokenDead {
		return s.ID, nil
	}
	if c.succession == nil || !c.succession.Open {
		return session.ID{}, fault.New(fault.NotFound, "there is nothing to restore")
	}
	c.lineage = c.succession.Lineage
	return c.succession.Session, nil
}

type restoreOrder struct {
	id      session.ID
	visitor session.VisitorID
	killed  bool
	request string
}

type restoreDone struct {
	outcome handover.Outcome
	gone    bool // the store refuses: ended, or no longer what the token opened
	claim   session.Claim
}

// restore claims the session, has legacy write it, and records that it did. A claim outlives whoever made
// it: the next request completes it under the same operation.
func (e *Edge) restore(ctx context.Context, o restoreOrder) restoreDone {
	if !e.restores.take(e.deps.Clock()) {
		return restoreDone{outcome: handover.Unreachable} // over the budget: the ticket serves
	}
	claim, err := storeWrite(e, ctx, o.killed, func(ctx context.Context) (session.Claim, error) {
		return e.deps.Sessions.ClaimRestore(ctx, o.id)
	})
	switch {
	case err != nil:
		gone := isGone(err)
		if !gone && e.unclaimed.due(e.deps.Clock()) {
			e.deps.Log.Warn("restore: the session could not be claimed: it stays on the new side", "request", o.request, "session", o.id.String(), "error", firstLine(err))
		}
		return restoreDone{outcome: handover.Unreachable, gone: gone}
	case claim.Done:
		return restoreDone{outcome: handover.Done, claim: claim}
	}
	answer, err := e.bridgeRestore(ctx, claim, legacy.WayBack, claim.Key, legacy.Operation(claim.Operation), claim.Attributes)
	switch {
	case err != nil:
		e.deps.Log.Warn("restore: the bridge did not answer", "request", o.request, "session", o.id.String(), "error", firstLine(err))
		if certainlyNot(err) {
			e.release(ctx, claim)
		}
		return restoreDone{outcome: handover.Unreachable, claim: claim}
	case answer.Ended:
		e.deps.Log.Info("restore: legacy refused for good", "request", o.request, "session", o.id.String(), "reason", answer.Reason)
		return restoreDone{outcome: handover.Refused, claim: claim}
	case !answer.Restored:
		return restoreDone{outcome: handover.Unreachable, claim: claim}
	}
	_, err = storeWrite(e, ctx, o.killed, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.deps.Sessions.FinishRestore(ctx, claim)
	})
	switch {
	case err == nil:
		return restoreDone{outcome: handover.Done, claim: claim}
	case isGone(err):
		// It ended while legacy was writing, and its tombstone is on its way there; or others settled the claim.
		return restoreDone{outcome: handover.Unreachable, claim: claim, gone: true}
	}
	// Legacy has it, and only the record that says so is missing. The claim stands, and whoever comes next
	// finishes it; keeping the visitor waiting for that would gain nothing.
	e.deps.Log.Warn("restore: could not be recorded as finished", "request", o.request, "session", o.id.String(), "error", err)
	return restoreDone{outcome: handover.Done, claim: claim}
}

func (e *Edge) release(ctx context.Context, claim session.Claim) {
	_, err := storeWrite(e, ctx, false, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.deps.Sessions.ReleaseRestore(ctx, claim)
	})
	if err != nil {
		e.deps.Log.Warn("restore: the claim could not be released; the next entry completes it", "session", claim.Session.ID.String(), "error", err)
	}
}

// bridgeRestore has legacy write a session under a key, for any purpose.
func (e *Edge) bridgeRestore(ctx context.Context, c session.Claim, purpose legacy.Purpose, key string, op legacy.Operation, attributes map[string]session.Attribute) (legacy.RestoreAnswer, error) {
	data := make(map[string]json.RawMessage, len(attributes))
	for name, a := range attributes {
		data[name] = a.Value
	}
	restored, left, undeclared := e.deps.Mapping.Reverse(data)
	if len(left)+len(undeclared) > 0 {
		e.obs.LeftBehind(left, undeclared)
	}
	ctx, cancel := context.WithTimeout(ctx, e.cfg.Handover.BridgeDeadline)
	defer cancel()
	s := c.Session
	return e.deps.Bridge.Restore(ctx, legacy.RestoreCall{
		Operation: op, Purpose: purpose, Key: key, Lineage: s.Lineage, Generation: s.Generation,
		Version: s.Version, Kind: s.Kind, Subject: s.Subject, AuthTime: s.AuthTime, Born: s.Born, Visitor: s.Visitor,
		Expires: s.ExpiresAt, Transient: s.Transient, Data: restored,
	})
}

// isGone reports whether the store refused because of the state that the session is in.
func isGone(err error) bool {
	code := fault.CodeOf(err)
	return code == fault.NotFound || code == fault.Precondition
}
