// Package handover decides what happens to one visitor now: which system serves the request, as whom,
// which session operation comes first and which cookies the browser is left with.
//
// Invariants (checked exhaustively over the whole input space, and in random histories): no response
// leaves two session cookies that are valid for the same path; who was logged in stays logged in as the
// same subject; what ended stays ended; nobody is served as a subject that the browser did not prove;
// under the kill switch nothing needs the new session store. The edge calls [Plan] for every request
// and carries out what it says. The package knows no clock, no randomness and no I/O.
package handover

import (
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// Visit is all that a decision may depend on. It grows: [Plan] may ask for an operation, whose outcome
// the caller adds before it asks again. Every field is an enumeration, so the space can be walked.
type Visit struct {
	// Governs is the system that the visitor should be on: of the rollout's decision at an entry request
	// or under kill, of the last entry otherwise.
	Governs rollout.System
	// Entry says that this request may change systems. Never true for a fetch, a form or a prefetch.
	Entry bool
	// Killed says that the kill switch holds this visitor on legacy: it acts on every request.
	Killed bool
	// Frozen says that nobody knows any more who governs: an entry serves the browser where its session is. It
	// only settles what is half done. Governs is then the system that the browser's cookies speak for.
	Frozen bool

	Token  Token
	Legacy LegacyCookie
	// Ticket says that a return ticket came that belongs to the presented token and may be honoured.
	Ticket bool

	// Look is what Inspect found about the legacy cookie; zero: not asked yet.
	Look Look
	// Succession is what the session plane knows about the legacy cookie's key; zero: not asked yet.
	Succession Succession
	// Exchanged and Restored are the outcomes of those operations; zero: not tried yet.
	Exchanged Outcome
	Restored  Outcome
}

// Token is what the presented session token is worth, as far as a decision needs it.
type Token uint8

// The worths of a token.
const (
	TokenNone     Token = iota
	TokenIdle           // live, a guest that has stored nothing
	TokenGuest          // live, a guest with data
	TokenAuth           // live, authenticated
	TokenReadOnly       // the old secret after a login: in flight, must neither gain nor break anything
	TokenMoving         // claimed by a restore that has not finished
	TokenMoved          // restored to legacy, and still proves it
	TokenDead           // ended, expired, invalid, or proves nothing any more
	TokenUnknown        // the store cannot say
	TokenCount          // how many there are, for whoever walks them all
)

// LegacyCookie says whether a legacy session cookie came.
type LegacyCookie uint8

// The legacy cookie.
const (
	LegacyAbsent LegacyCookie = iota
	LegacyPresent
)

// Look is what the bridge says about the legacy cookie's session.
type Look uint8

// What Inspect can find. "Mine", "theirs" and "unstamped" speak of the visitor id in the session.
const (
	LookNone        Look = iota // not asked
	LookUnreachable             // the bridge cannot say
	LookGone                    // no such session, or its lineage ended
	LookAnonymous               // live, nobody logged in
	LookSameLineage             // live, the presented token's lineage
	LookSameMoved               // the presented token's lineage, already handed over
	LookSameSubject             // authenticated as the token's subject, another lineage
	LookMine                    // authenticated, stamped with this browser's visitor id
	LookUnstamped               // authenticated, from before Crossfade
	LookTheirs                  // stamped with another browser's visitor id, guest or not
)

// Succession is what became of the legacy cookie's key.
type Succession uint8

// The successions of a legacy key.
const (
	SuccessionNone    Succession = iota // not asked
	SuccessionUnknown                   // the store cannot say
	SuccessionFree                      // no successor: the key speaks for itself
	SuccessionOpen                      // handed over, and still proves its lineage
	SuccessionClosed                    // handed over, proves nothing
	SuccessionEnded                     // its lineage ended
	SuccessionCount                     // how many there are
)

// Outcome is how an operation went.
type Outcome uint8

// The outcomes.
const (
	NotTried     Outcome = iota
	Done                 // it happened (or had happened)
	Refused              // it will never happen: the lineage ended, expired, or proves nothing
	Absent               // there was nothing to take over
	Unreachable          // bridge or store down, slow, or over budget
	OutcomeCount         // how many there are
)

// Op is what the caller does next.
type Op uint8

// The operations.
const (
	Serve    Op = iota // the plan is final
	Inspect            // ask the bridge about the legacy cookie → Visit.Look
	Succeed            // ask the session plane about the legacy key → Visit.Succession
	Exchange           // legacy session → new session → Visit.Exchanged
	TakeOver           // the same, into the live guest session (a login that happened on legacy)
	Reopen             // exchange the key that the token's restore made → Visit.Exchanged
	Restore            // new session → legacy session → Visit.Restored
)

func (o Op) String() string {
	return [...]string{"serve", "inspect", "succeed", "exchange", "take-over", "reopen", "restore"}[o]
}

// As says whom the request is served as.
type As uint8

// The identities.
const (
	Nobody         As = iota // a visitor without a session
	TokenSession             // the presented token's session
	TokenReader              // its read-only guest view
	NewSession               // the session that the exchange made
	LegacyPassed             // the legacy cookie as it came
	LegacyRestored           // the key that the restore made
	LegacyTicket             // the counterpart that the ticket names
	Denied                   // an error page: the route's policy wants no fallback
)

func (a As) String() string {
	return [...]string{"nobody", "token", "reader", "exchanged", "legacy", "restored", "ticket", "denied"}[a]
}

// Cookie is what happens to one of the browser's cookies.
type Cookie uint8

// What can happen to a cookie.
const (
	Keep Cookie = iota
	Set         // to the value that As stands for
	Drop        // delete every configured name, domain and path of it
)

func (c Cookie) String() string { return [...]string{"keep", "set", "drop"}[c] }

// Plan is the next operation, or with Op Serve the verdict.
type Plan struct {
	Op     Op
	System rollout.System // the system that serves; it is recorded in the visitor cookie at an entry
	As     As
	Token  Cookie // the session cookie; dropping it drops the ticket as well
	Legacy Cookie
	Guest  bool // give the browser a guest token (Token is Set)
	// Return allows the legacy key to be served although it was handed over: the context names its
	// lineage (succession open), or says that it has no successor (free). A restored key needs it as well: it
	// may have been restored before, and an exchange since whose answer was lost.
	Return bool
	// EndLineage: the legacy side refused for good; what is left of the lineage ends here too.
	EndLineage bool
	Reason     Reason
}

// Reason names the rule that decided, for counters and the handshake.
type Reason string

// The reasons.
const (
	ReasonServeNew      Reason = "serve_new"
	ReasonServeLegacy   Reason = "serve_legacy"
	ReasonGuest         Reason = "guest"
	ReasonExchanged     Reason = "exchanged"
	ReasonTakenOver     Reason = "taken_over"
	ReasonReopened      Reason = "reopened"
	ReasonRestored      Reason = "restored"
	ReasonTicket        Reason = "ticket"
	ReasonConflict      Reason = "conflict_token_wins"
	ReasonConflictOld   Reason = "conflict_legacy_wins"
	ReasonRefused       Reason = "refused"
	ReasonForeignStamp  Reason = "foreign_stamp"
	ReasonBridgeDown    Reason = "bridge_down"
	ReasonStoreDown     Reason = "store_down"
	ReasonKeyClosed     Reason = "key_closed"
	ReasonInFlight      Reason = "in_flight"
	ReasonWhereItIs     Reason = "where_it_is"
	ReasonLineageEnded  Reason = "lineage_ended"
	ReasonDeniedByRoute Reason = "denied_by_route"
)

// TokenOf reduces a resolution to what a decision needs.
func TokenOf(r session.Resolution) Token {
	switch r.Worth {
	case session.WorthNone:
		return TokenNone
	case session.WorthLive:
		switch {
		case r.Session.Kind == session.Authenticated:
			return TokenAuth
		case r.Session.Written:
			return TokenGuest
		}
		return TokenIdle
	case session.WorthReadOnly:
		return TokenReadOnly
	case session.WorthMoving:
		return TokenMoving
	case session.WorthMoved:
		return TokenMoved
	case session.WorthUnknown:
		return TokenUnknown
	}
	return TokenDead
}

// live says that the token opens a session now.
func (t Token) live() bool { return t == TokenIdle || t == TokenGuest || t == TokenAuth }
