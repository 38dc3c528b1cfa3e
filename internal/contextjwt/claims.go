// Package contextjwt makes and checks the context: the signed statement of who a request belongs to,
// which the edge attaches to everything that it forwards.
//
// Invariant: a context is accepted only for the audience that it was made for, with the one pinned
// algorithm and type, and for at most [Life] plus the allowed clock difference. The edge and the session
// API sign; the session API and the client library verify.
package contextjwt

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

const (
	// Header is the request header that carries a context.
	Header = "Crossfade-Context"
	// Issuer is the claim iss of every context.
	Issuer = "crossfade"
	// Type is the pinned JWS header typ: no other kind of token can pass for a context.
	Type = "crossfade-context+jwt"
	// Purpose names the signing keys in the key ring.
	Purpose = "context"
	// Life is the longest that a context lives.
	Life = 30 * time.Second
	// MinLeft is what every context that the signer hands out has still to live.
	MinLeft = 10 * time.Second
	// Skew is how far the clocks of signer and verifier may differ.
	Skew = 5 * time.Second
	// MaxSize is the longest context, in bytes, that a verifier looks at.
	MaxSize = 8 << 10
)

// ID is a session id, lineage or visitor id; on the wire 32 hex digits. Zero means absent.
type ID [16]byte

// String is 32 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is absent.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText writes 32 hex digits.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads 32 hex digits.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return errors.New("want 32 hex digits")
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// System says which of the two systems governs a request.
type System string

// The systems.
const (
	New    System = "new"
	Legacy System = "legacy"
)

// Arm is the statistical arm of a visitor.
type Arm string

// The arms. ArmNone is excluded from statistics.
const (
	ArmNew    Arm = "new"
	ArmLegacy Arm = "legacy"
	ArmNone   Arm = "none"
)

// Kind is the kind of session; empty without a session.
type Kind string

// The kinds.
const (
	Guest         Kind = "guest"
	Authenticated Kind = "authenticated"
)

// Methods is a list of authentication methods kept as one string, so that [Claims] can be compared. Make
// it with [JoinMethods].
type Methods string

const methodSeparator = "\x1f" // no method name holds a control character

// JoinMethods packs a list. One method, the usual case, costs nothing.
func JoinMethods(methods []string) Methods {
	return Methods(strings.Join(methods, methodSeparator))
}

// List unpacks the methods; nil if there are none.
func (m Methods) List() []string {
	if m == "" {
		return nil
	}
	return strings.Split(string(m), methodSeparator)
}

// MarshalJSON writes an array of strings.
func (m Methods) MarshalJSON() ([]byte, error) { return json.Marshal(m.List()) }

// UnmarshalJSON reads an array of strings.
func (m *Methods) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*m = JoinMethods(list)
	return nil
}

// Claims is everything that a context says. Two contexts that say the same compare equal, except for
// the three claims that the signer fills in: Issuer, IssuedAt and Expires. Times are Unix seconds.
type Claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"` // the upstream's name
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`

	System  System `json:"sys"`
	Visitor ID     `json:"vid,omitzero"`
	Arm     Arm    `json:"arm"`
	Epoch   uint64 `json:"epoch"`
	Mark    uint64 `json:"mark"` // the newest revocation mark; a login records it as born

	Session    ID     `json:"sid,omitzero"`
	Lineage    ID     `json:"lin,omitzero"`
	Generation uint32 `json:"gen,omitzero"`
	Version    uint64 `json:"ver,omitzero"`
	Kind       Kind   `json:"kind,omitzero"`

	Subject  string  `json:"sub,omitzero"`
	AuthTime int64   `json:"auth_time,omitzero"`
	Methods  Methods `json:"amr,omitzero"`
	Level    string  `json:"acr,omitzero"`

	// Unwritten: a guest token without a record. The three that follow are its proof: time of issue,
	// expiry and born mark.
	Unwritten    bool   `json:"unwritten,omitzero"`
	GuestIssued  int64  `json:"gi,omitzero"`
	GuestExpires int64  `json:"gx,omitzero"`
	GuestBorn    uint64 `json:"gb,omitzero"`

	// Agent and Network are what a session that begins with this request is begun on. Both are absent where
	// somebody is logged in: it is known by then.
	Agent   string `json:"ua,omitzero"`  // the browser's User-Agent, cut
	Network string `json:"net,omitzero"` // of its address, like 203.0.113.0/24

	ReadOnly bool `json:"ro,omitzero"`    // the old secret's guest view: no writes
	Return   ID   `json:"ret,omitzero"`   // lineage that may return to legacy on this request
	Tools    bool `json:"tools,omitzero"` // an internal tool: the legacy session cookie is its own
	Lent     bool `json:"lent,omitzero"`  // the counterpart serves this request alone: the browser keeps its token
}

// MarshalJSON writes generation and version whenever there is a session, and the born mark of a guest
// token whenever there is one, even when they are zero: absent would read as "no session".
func (c Claims) MarshalJSON() ([]byte, error) {
	type plain Claims
	out := struct {
		plain
		Generation *uint32 `json:"gen,omitempty"`
		Version    *uint64 `json:"ver,omitempty"`
		GuestBorn  *uint64 `json:"gb,omitempty"`
	}{plain: plain(c)}
	if !c.Session.IsZero() {
		out.Generation, out.Version = &c.Generation, &c.Version
	}
	if c.Unwritten {
		out.GuestBorn = &c.GuestBorn
	}
	return json.Marshal(out)
}

// check refuses claims that contradict themselves. The signer runs it too, so that a mistake shows
// where it is made and not in another team's service.
func (c *Claims) check() error {
	switch {
	case c.Issuer != Issuer:
		return errors.New("claim iss is not " + Issuer)
	case c.Audience == "":
		return errors.New("claim aud is missing")
	case c.System != New && c.System != Legacy:
		return errors.New("claim sys is neither new nor legacy")
	case c.Arm != ArmNew && c.Arm != ArmLegacy && c.Arm != ArmNone:
		return errors.New("claim arm is not one of new, legacy, none")
	case c.Expires <= c.IssuedAt || c.Expires-c.IssuedAt > int64(Life/time.Second):
		return errors.New("the time from iat to exp is not between 1 and 30 seconds")
	}
	return c.checkSession()
}

func (c *Claims) checkSession() error {
	if c.Session.IsZero() {
		if c.Kind != "" || c.Subject != "" || c.Unwritten || c.ReadOnly || !c.Lineage.IsZero() {
			return errors.New("claims of a session without a session")
		}
		return nil
	}
	switch {
	case c.Lineage.IsZero():
		return errors.New("claim lin is missing")
	case c.Kind == Authenticated && c.Subject == "":
		return errors.New("authenticated without a subject")
	case c.Kind == Guest && c.Subject != "":
		return errors.New("a guest with a subject")
	case c.Kind != Guest && c.Kind != Authenticated:
		return errors.New("claim kind is neither guest nor authenticated")
	case c.Unwritten && (c.Kind != Guest || c.ReadOnly):
		return errors.New("unwritten, but not a plain guest")
	case c.ReadOnly && c.Kind != Guest:
		return errors.New("read-only, but not a guest")
	}
	return nil
}
