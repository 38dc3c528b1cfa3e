package handover

import "crossfade.dev/crossfade/rollout"

// Policy is what a route does when the new session store cannot answer, in order. Stale answers are the
// session plane's own affair: a stale answer arrives here as a live token.
type Policy struct {
	Legacy bool // serve the ticket's counterpart, or the legacy cookie that came
	Guest  bool // serve as nobody
}

// Next is the plan for a visit: an operation whose outcome is missing, or the verdict.
//
// Called again with the outcome added it comes to a verdict after at most four operations.
func Next(v Visit, p Policy) Plan {
	switch {
	case v.Killed:
		return toLegacy(v)
	case !v.Entry:
		return follow(v, p)
	case v.Frozen:
		return settle(v, p)
	}
	if v.Governs == rollout.New {
		return toNew(v, p)
	}
	return toLegacy(v)
}

// follow serves a request that may not change systems: a fetch, a form, a prefetch.
func follow(v Visit, p Policy) Plan {
	switch {
	case v.Token == TokenMoved || v.Token == TokenMoving && v.Governs == rollout.Legacy:
		// In flight while its session went to legacy: the write belongs there now.
		if v.Governs == rollout.Legacy && v.Legacy == LegacyPresent {
			return passLegacy(v)
		}
		switch v.Restored {
		case NotTried:
			return Plan{Op: Restore}
		case Done:
			return Plan{System: rollout.Legacy, As: LegacyRestored, Return: true, Reason: ReasonInFlight}
		}
		switch {
		case v.Ticket:
			return Plan{System: rollout.Legacy, As: LegacyTicket, Reason: ReasonInFlight}
		case v.Token == TokenMoving:
			return newAsIs(v)
		}
		return Plan{System: v.Governs, As: Nobody, Reason: ReasonInFlight}
	case v.Token == TokenUnknown && (v.Governs == rollout.New || v.Legacy == LegacyAbsent):
		return storeDown(v, p)
	case v.Governs == rollout.New:
		return newAsIs(v)
	case v.Legacy == LegacyPresent:
		return passLegacy(v)
	case v.Token.live():
		// Last served by legacy, but what the browser holds is a new session: identity goes first.
		pl := newAsIs(v)
		pl.Reason = ReasonWhereItIs
		return pl
	}
	return Plan{System: rollout.Legacy, As: Nobody, Reason: ReasonServeLegacy}
}

// settle serves an entry where the browser's session is. A handover whose answer was lost is brought to its
// end, or the visitor would stay a request in flight and never be given a cookie again; and of two session
// cookies one goes, by the rules.
func settle(v Visit, p Policy) Plan {
	switch {
	case v.Token == TokenMoved || v.Token == TokenMoving:
		return toLegacy(v) // that is where it went
	case v.Legacy == LegacyAbsent:
		return follow(v, p)
	case v.Governs == rollout.New && v.Token != TokenNone && v.Token != TokenDead:
		return toNew(v, p)
	}
	return toLegacy(v)
}

// newAsIs serves on new whatever the token opens, and touches no cookie.
func newAsIs(v Visit) Plan {
	pl := Plan{System: rollout.New, Reason: ReasonServeNew}
	switch v.Token {
	case TokenIdle, TokenGuest, TokenAuth, TokenMoving:
		pl.As = TokenSession
	case TokenReadOnly:
		pl.As = TokenReader
	default:
		pl.Reason = ReasonGuest
	}
	return pl
}

// toNew is the upper half of the table in DESIGN.md section 5: an entry request, governed by new.
func toNew(v Visit, p Policy) Plan {
	switch v.Token {
	case TokenUnknown:
		return storeDown(v, p)
	case TokenReadOnly:
		pl := Plan{System: rollout.New, As: TokenReader, Reason: ReasonInFlight}
		if v.Legacy == LegacyPresent {
			pl.Legacy = Drop
		}
		return pl
	case TokenMoved, TokenMoving:
		return reopen(v)
	case TokenGuest, TokenAuth:
		return keepNew(v)
	}
	// No session that anybody would miss: none, dead, or a guest that stored nothing.
	if v.Legacy == LegacyAbsent {
		return guest(v, Keep, ReasonGuest)
	}
	return exchange(v)
}

// keepNew serves a live session with something in it, and judges a legacy cookie beside it.
func keepNew(v Visit) Plan {
	serve := Plan{System: rollout.New, As: TokenSession, Reason: ReasonServeNew}
	if v.Legacy == LegacyAbsent {
		return serve
	}
	serve.Legacy = Drop
	switch v.Look {
	case LookNone:
		return Plan{Op: Inspect}
	case LookMine:
		if v.Token != TokenGuest {
			break
		}
		// A login that happened on legacy, in this browser: it is taken over.
		switch v.Exchanged {
		case NotTried:
			return Plan{Op: TakeOver}
		case Done:
			return Plan{System: rollout.New, As: NewSession, Token: Set, Legacy: Drop, Reason: ReasonTakenOver}
		case Unreachable:
			// Dropping either cookie would lose something that is worth keeping: the login goes first, the
			// guest's session stays in the store for its lineage.
			return Plan{System: rollout.Legacy, As: LegacyPassed, Token: Drop, Return: true, Reason: ReasonBridgeDown}
		}
	case LookGone, LookAnonymous, LookSameLineage, LookSameMoved:
		return serve
	}
	serve.Reason = ReasonConflict
	return serve
}

// exchange takes the legacy session over.
func exchange(v Visit) Plan {
	dead := Keep
	if v.Token == TokenDead || v.Token == TokenIdle {
		dead = Drop
	}
	stay := func(r Reason) Plan {
		return Plan{System: rollout.Legacy, As: LegacyPassed, Token: dead, Return: true, Reason: r}
	}
	if v.Token == TokenIdle && (v.Look == LookUnreachable || v.Look == LookUnstamped || v.Look == LookTheirs) {
		// This browser was a guest on new already: a login that is not provably its own was put there.
		return guest(v, Drop, ReasonConflict)
	}
	switch v.Look {
	case LookNone:
		return Plan{Op: Inspect}
	case LookUnreachable:
		return stay(ReasonBridgeDown)
	case LookTheirs:
		return stay(ReasonForeignStamp)
	case LookGone:
		return guest(v, Drop, ReasonGuest)
	}
	switch v.Exchanged {
	case NotTried:
		return Plan{Op: Exchange}
	case Done:
		return Plan{System: rollout.New, As: NewSession, Token: Set, Legacy: Drop, Reason: ReasonExchanged}
	case Refused:
		return guest(v, Drop, ReasonRefused)
	case Absent:
		return guest(v, Drop, ReasonGuest)
	}
	return stay(ReasonBridgeDown)
}

// reopen brings a session back that a restore sent to legacy: the token still proves it.
func reopen(v Visit) Plan {
	switch v.Exchanged {
	case NotTried:
		return Plan{Op: Reopen}
	case Done:
		// Whether or not the key came: a parallel answer may have set it meanwhile, and it is spent now.
		return Plan{System: rollout.New, As: NewSession, Token: Set, Legacy: Drop, Reason: ReasonReopened}
	case Absent:
		if v.Token == TokenMoving {
			// Legacy never got it: the claim was released and the session is live where it was.
			pl := Plan{System: rollout.New, As: TokenSession, Reason: ReasonReopened}
			if v.Legacy == LegacyPresent {
				pl.Legacy = Drop
			}
			return pl
		}
		return guest(v, dropIf(v), ReasonLineageEnded)
	case Refused:
		return guest(v, dropIf(v), ReasonRefused)
	}
	if v.Token == TokenMoving {
		// Nobody knows whether legacy has it. It is whole here; nothing is changed until the bridge answers.
		return Plan{System: rollout.New, As: TokenSession, Legacy: dropIf(v), Reason: ReasonBridgeDown}
	}
	// The call may have happened and its answer been lost: then legacy has marked the key as handed over,
	// to nobody.
	return Plan{System: rollout.Legacy, As: LegacyRestored, Token: Drop, Legacy: Set, Return: true, Reason: ReasonBridgeDown}
}

// guest starts an anonymous visitor on new. It stores nothing.
func guest(v Visit, legacy Cookie, r Reason) Plan {
	if v.Token == TokenIdle {
		return Plan{System: rollout.New, As: TokenSession, Legacy: legacy, Reason: r}
	}
	return Plan{System: rollout.New, As: Nobody, Token: Set, Guest: true, Legacy: legacy, Reason: r}
}

// storeDown is the route's failure policy. It writes and deletes no cookie: nothing is known.
func storeDown(v Visit, p Policy) Plan {
	switch {
	case p.Legacy && v.Ticket:
		return Plan{System: rollout.Legacy, As: LegacyTicket, Reason: ReasonStoreDown}
	case p.Legacy && v.Legacy == LegacyPresent:
		return Plan{System: rollout.Legacy, As: LegacyPassed, Reason: ReasonStoreDown}
	case p.Guest:
		return Plan{System: rollout.New, As: Nobody, Reason: ReasonStoreDown}
	}
	return Plan{System: rollout.New, As: Denied, Reason: ReasonDeniedByRoute}
}

func dropIf(v Visit) Cookie {
	if v.Legacy == LegacyPresent {
		return Drop
	}
	return Keep
}
