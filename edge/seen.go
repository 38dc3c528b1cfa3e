package edge

import (
	"strings"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

// seen is a browser that its visitor cookie tells, with what was worked out at its last request. That is
// held against the request at hand each time: it saves work and decides nothing, so a cookie that somebody
// copied lends its user nothing.
type seen struct {
	visitor visitor
	context atomic.Pointer[contextjwt.Signed]
	ticket  atomic.Pointer[rightTicket]
}

func seeVisitor(ring *keyring.Ring, text string) *seen {
	v, ok := decodeVisitor(ring, text)
	if !ok {
		return nil
	}
	return &seen{visitor: v}
}

// rightTicket is a ticket that was found to belong to a token and to name its session's counterpart.
type rightTicket struct {
	text, token, key string
	expires          time.Time
	lineage          session.Lineage
	transient        bool
}

// knowsTicket reports whether what came is the ticket that this session should have, as was found before.
func (s *seen) knowsTicket(tickets *values, token string, of *session.Session) bool {
	if s == nil || tickets.n != 1 || tickets.over {
		return false
	}
	t := s.ticket.Load()
	return t != nil && t.text == tickets.all[0] && t.token == token &&
		t.key == of.LegacyKey && t.expires.Equal(of.LegacyExpires) && t.lineage == of.Lineage && t.transient == of.Transient
}

// noteTicket keeps what knowsTicket is asked.
func (s *seen) noteTicket(tickets *values, token string, of *session.Session) {
	if s != nil && tickets.n == 1 && !tickets.over {
		s.ticket.Store(&rightTicket{
			text: strings.Clone(tickets.all[0]), token: strings.Clone(token), // parts of a whole header
			key: of.LegacyKey, expires: of.LegacyExpires, lineage: of.Lineage, transient: of.Transient,
		})
	}
}
