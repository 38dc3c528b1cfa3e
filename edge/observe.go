package edge

import (
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// Observer is told what happened. It is called on the request's path, so it must not block, and it gets
// no secret: no token, no legacy key, no cookie.
type Observer interface {
	// Served: a response is complete, or the stream that it was has ended.
	Served(Served)
	// Crossed: a request came to a verdict at which systems or cookies may change (an entry, or under kill).
	Crossed(Crossed)
	// Operated: one call to the bridge or the session store came back.
	Operated(Operated)
	// Exposed: a visitor met the experiment for the first time in this epoch. It is told before the
	// response leaves, in both arms, and a second time with Confirmed when the cookie has come back.
	Exposed(Exposure)
	// Reached: a visitor reached a funnel step for the first time.
	Reached(Step)
	// Magic: a magic cookie was used for the first time, or was refused.
	Magic(MagicUse)
	// LeftBehind: these keys did not cross in an exchange or restore, and no rule names the undeclared ones.
	LeftBehind(left []legacy.LeftBehind, undeclared []string)
	// Counted: something happened that is counted by name only; see the Count constants.
	Counted(name Count, arm rollout.System)
}

// Count names an event without further properties.
type Count string

// What is counted.
const (
	CountLostLogin     Count = "lost_login"         // was logged in, is a guest now, and nobody ended it
	CountForged        Count = "forged_header"      // a Crossfade-* header from outside
	CountForbiddenPath Count = "forbidden_path"     // some spelling of /_crossfade/ from outside
	CountBadCookie     Count = "bad_cookie"         // a cookie of ours that does not verify
	CountDuplicate     Count = "duplicate_cookie"   // several values of one name
	CountCrossSite     Count = "cross_site"         // an unsafe request of another site, refused
	CountCallback      Count = "callback"           // a form of another site that is posted again from here
	CountCallbackAsIs  Count = "callback_as_is"     // one that cannot be, and was passed on without cookies
	CountCrossSiteIn   Count = "cross_site_login"   // legacy gave a session to a form of another site: the route wants callback
	CountCrossSiteNo   Count = "cross_site_refused" // an application refused a form of another site: perhaps the route wants callback
	CountBadHandoff    Count = "bad_handoff"        // a handoff that does not open or belongs to another request
	CountUntrusted     Count = "untrusted_header"   // Crossfade-* from an upstream that is not trusted
	CountLegacyCookie  Count = "legacy_cookie_out"  // legacy issued a session to a visitor governed by new
	CountConflict      Count = "cookie_conflict"    // two sessions in one browser that were not the same
	CountStreamClosed  Count = "stream_closed"      // its session ended
	CountEndFailed     Count = "end_failed"         // a lineage should have ended and the store did not answer
	CountTools         Count = "tools_session"      // a tools session was made
	CountDenied        Count = "denied_lineage"     // a ticket of a lineage on the deny list
	CountHost          Count = "unknown_host"       // a request for a host that the site does not have, refused
	CountTooLarge      Count = "body_too_large"     // a request body over the limit, refused
	CountOverBudget    Count = "client_over_budget" // a client has made the bridge work too often: nobody changed system

	CountRefreshed      Count = "counterpart_refreshed"       // a counterpart has what its session was written with
	CountRefreshDropped Count = "counterpart_refresh_dropped" // the queue was full, it failed for an hour, or the process ended
	CountRefreshFailed  Count = "counterpart_refresh_failed"  // one attempt; it is tried again
)

// Served describes a response.
type Served struct {
	ID       string // request id
	Method   string
	Route    string // the route's path pattern; empty: none
	Upstream string
	Status   int
	Duration time.Duration
	System   rollout.System
	Arm      rollout.System // none: not in the statistics
	Reason   handover.Reason
}

// Crossed describes a verdict.
type Crossed struct {
	System   rollout.System
	As       handover.As
	Reason   handover.Reason
	Decision rollout.Reason
	Arm      rollout.System
	Killed   bool
	Frozen   bool // the snapshot was too old to hand over
	Changed  bool // a session cookie was set or dropped
}

// Operated describes one call.
type Operated struct {
	Name     string // inspect, exchange, restore, counterpart, refresh, tools, succession, claim …
	Outcome  string // done, refused, absent, unreachable; of a counterpart also newer, served, unknown, gone
	Duration time.Duration
}

// Exposure is a visitor's first meeting with the experiment in an epoch.
type Exposure struct {
	Epoch     uint64
	Stage     int
	Arm       rollout.System
	Confirmed bool
}

// Step is a funnel step reached.
type Step struct {
	Step uint8
	Exposure
}

// MagicUse is for the audit trail.
type MagicUse struct {
	ID      rollout.MagicID
	Visitor session.VisitorID
	Bound   bool   // it is bound to this visitor from now on
	Refused string // why it counts for nothing; empty: it counts
}

// nobody is the observer of an edge that has none.
type nobody struct{}

func (nobody) Served(Served)                            {}
func (nobody) Crossed(Crossed)                          {}
func (nobody) Operated(Operated)                        {}
func (nobody) Exposed(Exposure)                         {}
func (nobody) Reached(Step)                             {}
func (nobody) Magic(MagicUse)                           {}
func (nobody) LeftBehind([]legacy.LeftBehind, []string) {}
func (nobody) Counted(Count, rollout.System)            {}
