// Package handoff seals what an upstream hands to the edge for the browser: a new token and what its
// return ticket needs. Upstreams carry it in the response header Crossfade-Session and cannot read it.
//
// Invariant: a handoff opens for [Life] after it was sealed, and names the session that the request's
// context named, so that the edge can refuse one that was carried over from another visitor's response.
// The session API seals; the edge opens, and the API when a caller redeems one.
package handoff

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

const (
	// Header is the response header that carries a handoff to the edge.
	Header = "Crossfade-Session"
	// EndHeader is the response header with which an upstream says that the session has ended, and why.
	EndHeader = "Crossfade-Session-End"
	// Life is how long a handoff opens.
	Life = 60 * time.Second

	purpose = "handoff"
	maxSize = 4 << 10 // of the encoded text; a header that is longer is not ours
)

// Handoff is what the edge learns.
type Handoff struct {
	From    session.ID // the session that the request's context named; zero if it named none
	Token   string     // the secret that the browser gets
	Lineage session.Lineage
	Subject string // empty for guests
	// LegacyKey is the live counterpart's key, and LegacyExpires its expiry on the legacy side: what a
	// return ticket needs. Empty and zero if there is no counterpart.
	LegacyKey     string
	LegacyExpires time.Time
	Expires       time.Time // of the session
	Transient     bool      // the browser is to forget it when it is closed
}

// wire is the sealed JSON. Times are Unix seconds, 0 for none.
type wire struct {
	From          string `json:"f"`
	Token         string `json:"t"`
	Lineage       string `json:"l"`
	Subject       string `json:"s"`
	LegacyKey     string `json:"k"`
	LegacyExpires int64  `json:"ke"`
	Expires       int64  `json:"e"`
	Transient     bool   `json:"b,omitempty"`
	Until         int64  `json:"x"`
}

// Seal makes the header value.
func Seal(ring *keyring.Ring, h Handoff, now time.Time) string {
	w := wire{
		Token: h.Token, Lineage: h.Lineage.String(), Subject: h.Subject,
		LegacyKey: h.LegacyKey, LegacyExpires: seconds(h.LegacyExpires),
		Expires: seconds(h.Expires), Transient: h.Transient, Until: now.Add(Life).Unix(),
	}
	if !h.From.IsZero() {
		w.From = h.From.String()
	}
	plain, err := json.Marshal(w)
	if err != nil {
		panic("handoff: " + err.Error()) // strings and integers always marshal
	}
	return base64.RawURLEncoding.EncodeToString(ring.Seal(purpose, plain))
}

// Open reads a header value. A fault of code denied says that it is not ours, altered, or too old.
func Open(ring *keyring.Ring, value string, now time.Time) (Handoff, error) {
	if len(value) > maxSize || strings.ContainsAny(value, "\r\n") { // line breaks the decoder would pass over
		return Handoff{}, invalid(errors.New("too long, or more than one line"))
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return Handoff{}, invalid(err)
	}
	plain, err := ring.Open(purpose, sealed)
	if err != nil {
		return Handoff{}, invalid(err)
	}
	var w wire
	if err := json.Unmarshal(plain, &w); err != nil {
		return Handoff{}, invalid(err)
	}
	if now.Unix() >= w.Until {
		return Handoff{}, fault.New(fault.Denied, "the handoff has expired").
			WithHint("send it with the response to the request that it was made for, within %s", Life)
	}
	return w.handoff()
}

func (w wire) handoff() (Handoff, error) {
	h := Handoff{
		Token: w.Token, Subject: w.Subject, LegacyKey: w.LegacyKey,
		LegacyExpires: moment(w.LegacyExpires), Expires: moment(w.Expires), Transient: w.Transient,
	}
	var err error
	if w.From != "" {
		if h.From, err = session.ParseID(w.From); err != nil {
			return Handoff{}, invalid(err)
		}
	}
	if h.Lineage, err = session.ParseLineage(w.Lineage); err != nil {
		return Handoff{}, invalid(err)
	}
	return h, nil
}

func invalid(err error) error {
	return fault.Wrap(err, fault.Denied, "the handoff is not one that Crossfade sealed").
		WithHint("put the handoff of the API's answer unchanged into the response header %s", Header)
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}
