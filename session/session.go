// Package session holds the nouns and rules of the session plane: what a token is worth, when a
// session is valid, how it is written, rotated, handed over and ended.
//
// Invariant: a session that ended is never valid again, whatever arrives late; and no write that was
// answered is lost. The edge calls [Manager] on every request, the session API on behalf of legacy and
// new services. Stores live in the folders below and know none of these rules beyond the conditions
// that the [Store] contract names.
package session

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// ID names a session record. It is public: it may be logged and shown.
type ID [16]byte

// Lineage names all generations of one session in both systems; ending a session ends its lineage.
type Lineage [16]byte

// VisitorID is the random first-party id of a browser.
type VisitorID [16]byte

// Mark is a value of the store-wide revocation sequence. A session is valid only if it was born at or
// after every mark that applies to it. 0 is older than every mark.
type Mark uint64

// String is 32 hex digits.
func (id ID) String() string       { return hex.EncodeToString(id[:]) }
func (l Lineage) String() string   { return hex.EncodeToString(l[:]) }
func (v VisitorID) String() string { return hex.EncodeToString(v[:]) }
func (id ID) IsZero() bool         { return id == ID{} }
func (l Lineage) IsZero() bool     { return l == Lineage{} }
func (v VisitorID) IsZero() bool   { return v == VisitorID{} }

// ParseID reads 32 hex digits.
func ParseID(s string) (ID, error) { return parse16[ID](s) }

// ParseLineage reads 32 hex digits.
func ParseLineage(s string) (Lineage, error) { return parse16[Lineage](s) }

// ParseVisitorID reads 32 hex digits.
func ParseVisitorID(s string) (VisitorID, error) { return parse16[VisitorID](s) }

var errHex16 = errors.New("want 32 hex digits")

func parse16[T ~[16]byte](s string) (T, error) {
	var out [16]byte
	if len(s) != 32 {
		return T{}, errHex16
	}
	if _, err := hex.Decode(out[:], []byte(s)); err != nil {
		return T{}, errHex16
	}
	return T(out), nil
}

// Kind says whether somebody is logged in.
type Kind uint8

// The kinds of a session.
const (
	Guest Kind = iota + 1
	Authenticated
)

func (k Kind) String() string {
	switch k {
	case Guest:
		return "guest"
	case Authenticated:
		return "authenticated"
	}
	return "none"
}

// State is where a record stands in its life. Ended wins over moved.
type State uint8

// The states of a record.
const (
	StateLive   State = iota + 1
	StateMoving       // claimed by a restore that has not finished
	StateMoved        // restored to legacy, or followed by the lineage's next generation
	StateEnded        // logged out or revoked; a tombstone
)

func (s State) String() string {
	switch s {
	case StateLive:
		return "live"
	case StateMoving:
		return "moving"
	case StateMoved:
		return "moved"
	case StateEnded:
		return "ended"
	}
	return "unknown"
}

// Session is what a caller may know of one session at one version. It is immutable: the edge shares
// it between requests. Attributes are not part of it; [Manager.Read] gets them.
type Session struct {
	ID         ID
	Lineage    Lineage
	Generation uint32 // 1 for the first; each return from legacy opens the next
	Kind       Kind
	Subject    string    // empty for guests
	AuthTime   time.Time // when the subject last proved who it is; zero for guests
	Methods    []string  // how (RFC 8176 names: pwd, otp …)
	Level      string    // assurance level as the identity platform names it; may be empty
	Created    time.Time
	LastSeen   time.Time // throttled
	IdleAt     time.Time // when it expires if it is not used
	ExpiresAt  time.Time // when it expires whatever happens
	Born       Mark
	Version    uint64    // grows with every change
	Visitor    VisitorID // zero where it is not known, as behind a guest token
	Origin     string    // name of the legacy system that it was exchanged from; empty if born here
	Device     Device    // of its beginning or last login; zero where it is not known
	Transient  bool      // the browser keeps it until it is closed; the deadlines hold all the same
	State      State
	EndReason  string
	Written    bool // false: a guest token with nothing in the store behind it

	// LegacyKey is the key of the legacy session that belongs to this one: its live counterpart while
	// State is live, the claimed key while moving, the restored one once moved. Empty if there is none.
	LegacyKey     string
	LegacyExpires time.Time // when the counterpart expires on the legacy side
}

// Expired reports whether either deadline has passed.
func (s *Session) Expired(now time.Time) bool {
	return !now.Before(s.IdleAt) || !now.Before(s.ExpiresAt)
}

// Attribute is one value of a session: JSON text, kept byte for byte so that 1 stays 1 and 1.0 stays
// 1.0, and the session version that last wrote it.
type Attribute struct {
	Value   json.RawMessage
	Version uint64
	Private bool // only the legacy system may read it (its own login bookkeeping)
	// Written is when it was last written, kept where the registry has a rule that needs it; zero: not known.
	Written time.Time
}

// Worth is what a presented token is worth at this moment.
type Worth uint8

// What a token can be worth.
const (
	WorthNone     Worth = iota // no token was presented
	WorthLive                  // serve as Resolution.Session
	WorthReadOnly              // the old secret after a login, in grace: a guest that can write nothing
	WorthMoving                // a restore claimed it and has not finished
	WorthMoved                 // restored, and the token still proves its lineage: nothing closed it yet
	WorthEnded                 // logged out or revoked
	WorthExpired               // a deadline passed
	WorthInvalid               // malformed, forged, replaced, spent, or proves nothing any more
	WorthUnknown               // the store cannot say
)

func (w Worth) String() string {
	return [...]string{"none", "live", "read-only", "moving", "moved", "ended", "expired", "invalid", "unknown"}[w]
}

// Resolution is the answer to "what is this token worth".
type Resolution struct {
	Worth   Worth
	Session *Session // nil for none, invalid and unknown
	// Replace is the token that the browser should carry instead: the winner's after a rotation or a
	// guest's first write. Nil: keep the presented one.
	Replace *Issued
	// Stale says that the store could not be reached and the answer is a cached one, older than the
	// bound but within the failure policy's stated addition.
	Stale bool
}

// Issued is a token that was made for a browser, with the session that it opens.
type Issued struct {
	Token   string // secret: only ever sent in a Set-Cookie or a sealed handoff
	Session *Session
}
