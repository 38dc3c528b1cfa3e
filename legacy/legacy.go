// Package legacy is the contract between Crossfade and the system that is being left: look at one of
// its sessions, take it over, give one back, end some.
//
// Invariant: every call is idempotent by its operation id, so that a lost answer may be asked for
// again, and a session that ended on the legacy side is answered as ended for ever. The edge and the
// session plane's outbox call it; httpbridge speaks it to the framework's client package.
package legacy

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"crossfade.dev/crossfade/session"
)

// Operation is the idempotency id of one bridge call. A retry repeats it; its nonce is new.
type Operation [16]byte

func (o Operation) String() string { return hex.EncodeToString(o[:]) }

// Bridge talks to one legacy system. Every method obeys the context's deadline; an error means that
// the legacy side could not be asked (fault code unavailable) or refused the call as such, never
// that a session does not exist: that is an answer.
type Bridge interface {
	// Inspect looks at a legacy session and changes nothing. A key that is unknown, expired or malformed
	// gives a View with Found false.
	Inspect(ctx context.Context, key string) (View, error)
	// Exchange marks the legacy session as moved to the lineage and returns its data. Asked again for a
	// key that has moved, it answers the same data under the lineage of the first call. For an
	// authenticated session it also makes the counterpart under the key that the caller chose.
	Exchange(ctx context.Context, in ExchangeCall) (ExchangeAnswer, error)
	// Restore writes a legacy session under the key that the caller chose: a way back, a counterpart or a
	// tools session. Repeated, it writes the same session again. A lineage that ended is refused with
	// Ended, and so is a subject whose password or account changed.
	//
	// A counterpart is written behind the visitor's back, so the call may be late. What is there is left alone,
	// with a Reason, if a browser was seen with the key, or if what is there is of a later version. A
	// login that no longer stands ends nothing: the session is judged when it is used.
	Restore(ctx context.Context, in RestoreCall) (RestoreAnswer, error)
	// End ends legacy sessions and leaves tombstones, so that what is in flight cannot bring them back.
	End(ctx context.Context, in EndCall) (EndAnswer, error)
}

// View is what Inspect tells about a legacy session.
type View struct {
	Found   bool
	Moved   bool // handed over; Lineage says to whom
	Ended   bool // its lineage ended, or the legacy's own check of the user failed
	Kind    session.Kind
	Subject string
	Lineage session.Lineage   // zero: it never met Crossfade
	Visitor session.VisitorID // the browser that it was made for; zero: unstamped
	// AuthTime is when the user logged in; zero if unstamped or a guest.
	AuthTime time.Time
	// Born is the mark that was current before the login; 0 if unstamped, which is older than any mark.
	Born    session.Mark
	Expires time.Time
	// Transient: the browser keeps its cookie until it is closed.
	Transient bool
}

// ExchangeCall asks for a legacy session's data.
type ExchangeCall struct {
	Operation   Operation
	Key         string
	Lineage     session.Lineage // proposed for a session that has none
	Visitor     session.VisitorID
	Counterpart string // key for the counterpart, if the session is authenticated
}

// ExchangeAnswer is a View with the data that may cross.
type ExchangeAnswer struct {
	View
	Generation  uint32                     // the last generation that legacy knows; 0: none
	Idle        time.Duration              // the legacy's idle lifetime for this session
	Data        map[string]json.RawMessage // every value that is JSON without loss
	LeftBehind  []LeftBehind               // what cannot cross, by name
	Counterpart string                     // key of the counterpart that exists now; empty: none
}

// LeftBehind names a value that cannot cross and stays in the legacy session.
type LeftBehind struct {
	Key    string
	Reason string // not_json, too_large, stays
	Type   string // the type on the legacy side, e.g. "datetime.datetime"
}

// Purpose says what a restored session is for.
type Purpose string

// The purposes of a restore.
const (
	WayBack     Purpose = "active"      // the browser gets this key now
	Counterpart Purpose = "counterpart" // kept beside a live new session
	Tools       Purpose = "tools"       // for internal tools, beside a live new session
)

// RestoreCall hands a session back.
type RestoreCall struct {
	Operation  Operation
	Purpose    Purpose
	Key        string
	Lineage    session.Lineage
	Generation uint32
	// Version is the session's that Data was read from, within its generation: what tells a late call for a
	// counterpart from a newer one.
	Version  uint64
	Kind     session.Kind
	Subject  string
	AuthTime time.Time
	Born     session.Mark
	Visitor  session.VisitorID
	Expires  time.Time
	// Transient: the browser keeps its cookie until it is closed.
	Transient bool
	Data      map[string]json.RawMessage
}

// Reasons why a counterpart was left as it is; anything else is what was wrong with the login.
const (
	KeptNewer   = "newer"   // it, or another one of the lineage, is of a later version
	KeptServed  = "served"  // a browser was seen with this key: it is her session, not a counterpart
	KeptUnknown = "unknown" // there is a session that the legacy side does not know as a counterpart, or not yet
)

// RestoreAnswer says whether the session exists on the legacy side now. Neither Restored nor Ended: a
// counterpart was left as it is.
type RestoreAnswer struct {
	Restored bool
	Ended    bool   // refused for ever: the lineage ended, or the user changed
	Reason   string // for the log and the changelog, e.g. "auth_hash", "inactive", "tombstone", "newer"
}

// EndCall ends one lineage, all of a subject, or everybody; exactly one is set.
type EndCall struct {
	Operation Operation
	Lineage   session.Lineage
	Subject   string
	Everybody bool
	// Before limits subject and everybody to sessions born before this mark; 0: all.
	Before session.Mark
	// Except spares one lineage ("all but the current one").
	Except session.Lineage
	Reason string
}

// EndAnswer counts what ended. Unsupported is a sentence when legacy cannot evaluate the selector:
// then nothing may be reported as done.
type EndAnswer struct {
	Ended       int
	Unsupported string
}

// KeyAlphabet and KeyLength are what every supported legacy engine accepts as a session key that
// Crossfade chose.
const (
	KeyAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	KeyLength   = 32
)
