package edge

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

const (
	purposeTicket = "ticket"
	// maxTicketText bounds legacy key and subject together, so that all cookies stay under 1 KB. Beyond it
	// the subject is left out, and then there is no ticket.
	maxTicketText = 160
)

// ticket is a way back that needs no working new system: which live legacy session belongs to the token
// beside it. It is sealed, for it holds a legacy session key.
type ticket struct {
	Lineage session.Lineage
	Visitor session.VisitorID
	Born    session.Mark // of the session
	Expires time.Time    // of the counterpart, to the second
	Token   [sha256.Size]byte
	Key     string // the counterpart's legacy session key
	Subject string
	// Transient: the browser keeps token and counterpart until it is closed.
	Transient bool
}

// The plain text: format 1 (2: transient) ‖ lineage 16 ‖ visitor 16 ‖ born 8 ‖ expires 8 ‖ token hash 32 ‖ key length 1 ‖
// key ‖ subject. The cookie is base64url-nopad of the ring's seal of it, purpose "ticket".
const (
	ticketFormat    = 1
	ticketTransient = 2
	ticketFixed     = 1 + 16 + 16 + 8 + 8 + 32 + 1
	ticketSealed    = 1 + 12 + ticketFixed + maxTicketText + 16
)

// hashToken is what binds a ticket to a token. A version hint is no part of the token.
func hashToken(token string) [sha256.Size]byte {
	token, _, _ = strings.Cut(token, ".")
	var space [128]byte // more than a token has: copied here it costs no allocation
	return sha256.Sum256(append(space[:0], token...))
}

// seal makes the cookie; empty if there is too much to say.
func (t *ticket) seal(ring *keyring.Ring) string {
	subject := t.Subject
	if len(t.Key)+len(subject) > maxTicketText {
		subject = ""
	}
	if t.Key == "" || len(t.Key) > maxTicketText {
		return ""
	}
	format := byte(ticketFormat)
	if t.Transient {
		format = ticketTransient
	}
	raw := make([]byte, 0, ticketFixed+len(t.Key)+len(subject))
	raw = append(raw, format)
	raw = append(raw, t.Lineage[:]...)
	raw = append(raw, t.Visitor[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.Born))
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.Expires.Unix()))
	raw = append(raw, t.Token[:]...)
	raw = append(raw, byte(len(t.Key)))
	raw = append(raw, t.Key...)
	raw = append(raw, subject...)
	return cookieEncoding.EncodeToString(ring.Seal(purposeTicket, raw))
}

// openTicket reads a cookie that this ring sealed. It judges nothing.
func openTicket(ring *keyring.Ring, text string) (ticket, bool) {
	var space [ticketSealed]byte
	sealed, ok := decodeCookie(space[:], text)
	if !ok {
		return ticket{}, false
	}
	raw, err := ring.Open(purposeTicket, sealed)
	if err != nil || len(raw) < ticketFixed || raw[0] != ticketFormat && raw[0] != ticketTransient {
		return ticket{}, false
	}
	t := ticket{
		Lineage: session.Lineage(raw[1:17]),
		Visitor: session.VisitorID(raw[17:33]),
		Born:    session.Mark(binary.BigEndian.Uint64(raw[33:41])),
		Expires: time.Unix(int64(binary.BigEndian.Uint64(raw[41:49])), 0),
		Token:   [32]byte(raw[49:81]),

		Transient: raw[0] == ticketTransient,
	}
	size, rest := int(raw[81]), raw[ticketFixed:]
	if size == 0 || size > len(rest) {
		return ticket{}, false
	}
	t.Key, t.Subject = string(rest[:size]), string(rest[size:])
	return t, true
}

// beside reports whether the ticket belongs to the token that came with it.
func (t *ticket) beside(token string) bool {
	hash := hashToken(token)
	return subtle.ConstantTimeCompare(hash[:], t.Token[:]) == 1
}

// honoured reports whether a ticket may be used now: beside its token, in time, of no lineage that is
// denied, and not older than a mark.
func (e *Edge) honoured(t *ticket, token string, now time.Time) bool {
	switch {
	case !t.beside(token) || !now.Before(t.Expires):
		return false
	case e.deps.Sessions.Denied(t.Lineage):
		e.obs.Counted(CountDenied, 0)
		return false
	}
	// Its own subject's marks, not the newest of all: somebody else's logout everywhere is not hers.
	return t.Born >= e.deps.Sessions.MarkAgainst(t.Subject)
}
