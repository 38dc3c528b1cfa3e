package session

import (
	"encoding/json"
	"time"
)

// Patch changes attributes of one live session. Values are JSON texts.
type Patch struct {
	ID      ID
	Lineage Lineage // used when ID is zero: the live generation of this lineage
	Set     map[string]json.RawMessage
	Delete  []string
	// Writer is the client of the session API that writes, for the registry; empty: Crossfade itself.
	Writer string
	// IfVersion refuses the whole patch (fault.Conflict) when a key changed after the version given; 0: the
	// key must not exist.
	IfVersion map[string]uint64
	Idle      time.Duration // 0: unchanged
	// Transient says whether the browser keeps the session until it is closed; nil: unchanged. A change is followed by
	// a new token, for only with one can the browser be told.
	Transient *bool
	// Guest is the proof for a session that has no record yet: what the guest token said. The record is
	// made under that id, insert-if-absent. Nil: the record must exist.
	Guest *GuestProof
	// Device is what a session that is made by this patch was begun on.
	Device Device
}

// GuestProof is what a verified guest token (or a context made from one) says.
type GuestProof struct {
	ID        ID
	Visitor   VisitorID
	Issued    time.Time
	ExpiresAt time.Time
	Born      Mark
}

// Patched is the outcome of a patch.
type Patched struct {
	Session *Session
	Replace *Issued // the browser needs this token now (a guest's first write, another Transient); nil otherwise
}

// Upgrade is a login. With a zero ID and no Guest a new session is made.
type Upgrade struct {
	ID       ID
	Guest    *GuestProof // as in Patch
	Visitor  VisitorID   // for a new session
	Subject  string
	AuthTime time.Time
	Methods  []string
	Level    string
	Born     Mark // read before the authentication began
	Set      map[string]json.RawMessage
	Delete   []string
	// User is what the application keeps for this user elsewhere, as a cart that was saved: it is merged with the
	// guest's data as the registry says, before Set and Delete, which are the application's last word.
	User          map[string]json.RawMessage
	Writer        string // as in Patch
	Idle          time.Duration
	LegacyKey     string // the counterpart that legacy made in the same request
	LegacyExpires time.Time
	Device        Device // what the login came from
	Transient     *bool  // as in Patch
}

// StepUp is a fresh authentication of the same subject.
type StepUp struct {
	ID            ID
	AuthTime      time.Time
	Methods       []string
	Level         string
	Set           map[string]json.RawMessage
	Writer        string // as in Patch
	LegacyKey     string
	LegacyExpires time.Time
}

// Exchange makes a new session out of a legacy one that the bridge has handed over.
type Exchange struct {
	LegacyKey string  // the key that the browser presented
	Lineage   Lineage // as the bridge answered it
	Visitor   VisitorID
	Origin    string
	Kind      Kind
	Subject   string
	AuthTime  time.Time
	Born      Mark // 0 for an unstamped login: older than every mark
	ExpiresAt time.Time
	Idle      time.Duration
	Transient bool // as the legacy session was
	Data      map[string]json.RawMessage
	Device    Device // of the browser that presented the key
	// Generation is the last generation that the legacy system knows of this lineage; 0: none. It counts
	// when the record that held it here has been cleaned up.
	Generation    uint32
	Counterpart   string // key of the counterpart; empty for guests
	CounterpartAt time.Time
	// Into is the live guest session that this login is taken over into (rule "take over as a login,
	// merge"); zero: none. Its attributes are merged with Data as the registry says, without a rule where Data has
	// none, and it ends with a pointer.
	Into ID
}

// Refusal says why an exchange made no session.
type Refusal string

// The refusals. Empty: not refused.
const (
	RefusedEnded   Refusal = "ended"   // the lineage ended
	RefusedExpired Refusal = "expired" // its deadline has passed
	RefusedMark    Refusal = "mark"    // a mark is later than the login
	RefusedClosed  Refusal = "closed"  // the key was handed over and proves nothing any more
)

// Exchanged is the outcome of an exchange: a token, a refusal, or another key to exchange.
type Exchanged struct {
	Issued  Issued
	Created bool // false: a parallel request won; this is the winner's session
	Refused Refusal
	// Follow is set in the place of a token: the session has gone back to legacy under this key since, and
	// what was presented proves it still. Exchange that key.
	Follow string
	// Claimed, beside Follow, is the session if its restore was claimed and never finished: where legacy has no
	// such key, the claim can be released.
	Claimed ID
}

// Succession tells what became of a legacy key that was handed over, or given out by a restore.
type Succession struct {
	Known   bool // Crossfade has met this key
	Lineage Lineage
	Ended   bool // the lineage has ended: the key must not be served
	// Moved: the key was exchanged for a new session. Open: it still proves its lineage, because the
	// successor was not presented yet or less than the grace ago and nothing changed privilege since.
	Moved bool
	Open  bool
	// Session is what the key proves while it is open: the lineage's newest generation, live, moving or moved.
	Session ID
}

// Claim is a restore under way. It is durable: anyone may complete it.
type Claim struct {
	Operation  [16]byte
	Session    *Session
	Key        string // the legacy key that Crossfade chose
	Attributes map[string]Attribute
	// Done: the session was already restored under Key, and the token still proves it.
	Done bool
}

// End selects what ends. Exactly one of ID, Lineage, Subject, Everybody is set.
type End struct {
	ID         ID
	Lineage    Lineage
	Subject    string
	Everybody  bool
	Except     ID // with Subject
	Reason     string
	LegacyDone bool // legacy has ended its side already: nothing to confirm
}

// Ended counts what an End did here, and what legacy has still to confirm.
type Ended struct {
	Sessions    int
	Outstanding int
	Mark        Mark // the newest one after it: what is spared on the legacy side is born at it
}

// PendingEnd is an end that the legacy system has not confirmed.
type PendingEnd struct {
	ID        int64
	Operation [16]byte
	Lineage   Lineage
	Subject   string
	Everybody bool
	Before    Mark
	Except    Lineage
	Reason    string
	Since     time.Time
	Attempts  int
}
