package handover

import "crossfade.dev/crossfade/rollout"

// toLegacy is the lower half of the table in DESIGN.md section 5: governed by legacy, at an entry
// request or under the kill switch.
//
// One clause is narrower than the table: a legacy session that is nobody's does not displace a new one
// that holds a login or data, because dropping that one would log its owner out (I2). It is restored.
func toLegacy(v Visit) Plan {
	switch v.Token {
	case TokenNone, TokenDead:
		return legacyAlone(v)
	case TokenReadOnly:
		// In flight while its owner logged in: whatever it wrote would overwrite the winner's cookies.
		pl := passOrNobody(v)
		pl.Reason = ReasonInFlight
		return pl
	case TokenIdle:
		switch {
		case v.Legacy == LegacyPresent && v.Look == LookNone:
			return Plan{Op: Inspect}
		case v.Look == LookTheirs || v.Look == LookUnstamped:
			// This browser was a guest on new: a login that is not provably its own was put there.
			return Plan{System: rollout.Legacy, As: Nobody, Token: Drop, Legacy: Drop, Reason: ReasonConflict}
		}
		pl := legacyAlone(v)
		if pl.Op == Serve && pl.Token == Keep {
			pl.Token = Drop // a guest token that stored nothing is not missed
		}
		return pl
	case TokenUnknown:
		if v.Ticket {
			return ticket(ReasonTicket)
		}
		pl := passOrNobody(v)
		pl.Reason = ReasonStoreDown
		return pl
	}
	if v.Legacy == LegacyAbsent {
		return restore(v)
	}
	switch v.Look {
	case LookNone:
		return Plan{Op: Inspect}
	case LookSameLineage, LookSameSubject:
		return Plan{System: rollout.Legacy, As: LegacyPassed, Token: Drop, Return: true, Reason: ReasonServeLegacy}
	case LookMine:
		if v.Token == TokenGuest || v.Token == TokenMoved {
			// This browser logged in on legacy after its guest session was made, or after it went back there.
			return Plan{System: rollout.Legacy, As: LegacyPassed, Token: Drop, Return: true, Reason: ReasonConflictOld}
		}
	}
	return restore(v)
}

// legacyAlone serves what legacy's own cookie says; there is no new session to give back.
//
// Worthless cookies are deleted at an entry only: under kill a fetch that was long on its way would
// delete by name what another answer has just set.
func legacyAlone(v Visit) Plan {
	dead, worthless := Keep, Keep
	if v.Entry {
		worthless = Drop
	}
	if v.Token == TokenDead {
		dead = worthless
	}
	if v.Legacy == LegacyAbsent {
		return Plan{System: rollout.Legacy, As: Nobody, Token: dead, Reason: ReasonServeLegacy}
	}
	switch v.Succession {
	case SuccessionNone:
		return Plan{Op: Succeed}
	case SuccessionOpen:
		// The exchange's answer never reached this browser, or another tab's is on its way: the key still
		// proves its lineage, whose truth is in the new store. It is restored under a fresh key.
		switch v.Restored {
		case NotTried:
			return Plan{Op: Restore}
		case Done:
			// Whether or not a token came: a parallel answer may have set it meanwhile, and it has moved now.
			return Plan{System: rollout.Legacy, As: LegacyRestored, Token: Drop, Legacy: Set, Return: true, Reason: ReasonRestored}
		case Refused:
			return Plan{System: rollout.Legacy, As: Nobody, Token: dead, Legacy: Drop, EndLineage: true, Reason: ReasonRefused}
		}
		return Plan{System: rollout.Legacy, As: LegacyPassed, Token: dead, Return: true, Reason: ReasonBridgeDown}
	case SuccessionClosed:
		return Plan{System: rollout.Legacy, As: Nobody, Token: dead, Legacy: worthless, Reason: ReasonKeyClosed}
	case SuccessionEnded:
		return Plan{System: rollout.Legacy, As: Nobody, Token: dead, Legacy: worthless, Reason: ReasonLineageEnded}
	}
	pl := passLegacy(v)
	pl.Token = dead
	return pl
}

// restore gives the new session back to legacy.
func restore(v Visit) Plan {
	switch v.Restored {
	case NotTried:
		return Plan{Op: Restore}
	case Done:
		return Plan{System: rollout.Legacy, As: LegacyRestored, Token: Drop, Legacy: Set, Return: true, Reason: ReasonRestored}
	case Refused:
		return Plan{System: rollout.Legacy, As: Nobody, Token: Drop, Legacy: dropIf(v), EndLineage: true, Reason: ReasonRefused}
	}
	switch {
	case v.Ticket && (v.Killed || v.Token == TokenMoved):
		return ticket(ReasonTicket)
	case v.Killed && v.Legacy == LegacyPresent:
		// No way to tell whose the legacy cookie is; two cookies may not stay, and legacy must serve.
		return Plan{System: rollout.Legacy, As: LegacyPassed, Token: Drop, Return: true, Reason: ReasonBridgeDown}
	case v.Killed:
		// The token stays, so that the next request can try again.
		return Plan{System: rollout.Legacy, As: Nobody, Reason: ReasonBridgeDown}
	}
	// No kill, so no hurry: the session stays where it is, with all its data, until the next entry; the
	// counterpart of the ticket would be older. A moved one has left already; its
	// token is kept, so that the next request can ask for its key again.
	pl := newAsIs(v)
	if v.Token == TokenMoved {
		pl = Plan{System: rollout.Legacy, As: Nobody}
	}
	pl.Legacy, pl.Reason = dropIf(v), ReasonBridgeDown
	return pl
}

// ticket serves the counterpart: a way back that needs neither the new store nor the bridge.
func ticket(r Reason) Plan {
	return Plan{System: rollout.Legacy, As: LegacyTicket, Token: Drop, Legacy: Set, Reason: r}
}

// passLegacy lets the legacy cookie speak for itself, once it is known what became of its key.
func passLegacy(v Visit) Plan {
	pl := Plan{System: rollout.Legacy, As: LegacyPassed, Reason: ReasonServeLegacy}
	switch v.Succession {
	case SuccessionNone:
		return Plan{Op: Succeed}
	case SuccessionFree, SuccessionOpen:
		pl.Return = true
	case SuccessionClosed:
		pl.As, pl.Reason = Nobody, ReasonKeyClosed
	case SuccessionEnded:
		pl.As, pl.Reason = Nobody, ReasonLineageEnded
	}
	return pl
}

func passOrNobody(v Visit) Plan {
	pl := Plan{System: rollout.Legacy, As: Nobody, Reason: ReasonServeLegacy}
	if v.Legacy == LegacyPresent {
		pl.As = LegacyPassed
	}
	return pl
}
