package handover_test

import (
	"fmt"
	"strings"
	"time"

	"crossfade.dev/crossfade/edge/handover"
)

// model is a site made of the pure decision and of the smallest world in which it makes sense: records,
// tokens, legacy rows and tombstones as plain maps, seconds as integers. It states the lineage rules of
// DESIGN.md once more, in another way than the session manager does.
type model struct {
	now                                 int // seconds
	share                               int // percent
	killed, bridgeDown, lost, storeDown bool
	serial                              int
	creds                               map[string]*cred
	spent                               map[string]bool // guest tokens behind which a record was made
	lineages                            map[int]*record // newest generation
	keys                                map[string]*succession
	rows                                map[string]*legacyRow
	handed                              map[string]int // legacy key → lineage
	tombs                               map[int]bool
	passwords                           map[string]int
	late                                []func()
}

const grace = 30

type record struct {
	lineage    int
	user       string
	password   int // generation of the password that the login proved
	cart       string
	state      string  // live, moving, moved, ended
	token      string  // current
	first      int     // when token was first presented; 0: never
	privileged bool    // a login has closed what came before
	key        string  // counterpart, claimed or restored legacy key
	next       *record // the next generation of the lineage

	counterpart string // while a restore is claimed: the key before
}

// release takes a claim back.
func (r *record) release() { r.state, r.key = "live", r.counterpart }

// cred is one token: the record's current one, or the old one after a login.
type cred struct {
	rec *record
	old bool
}

// succession is what became of a legacy key.
type succession struct {
	rec       *record // it was exchanged for
	closed    bool    // it was given out, and its session has moved on
	presented int     // a key given out by a restore: when it first came back
	lineage   int
}

type legacyRow struct {
	user     string
	password int
	cart     string
	lineage  int
	visitor  string
	kept     bool // a counterpart that no browser was seen with
}

func newModel() *model {
	return &model{now: 1000, creds: map[string]*cred{}, spent: map[string]bool{}, lineages: map[int]*record{}, keys: map[string]*succession{},
		rows: map[string]*legacyRow{}, handed: map[string]int{}, tombs: map[int]bool{}, passwords: map[string]int{}}
}

func (m *model) name(prefix string) string { m.serial++; return fmt.Sprint(prefix, m.serial) }

func (m *model) Ramp(percent int)                       { m.share = max(m.share, percent) }
func (m *model) Kill(on bool)                           { m.killed = on }
func (m *model) BridgeDown(down bool)                   { m.bridgeDown = down }
func (m *model) AnswersLost(lost bool)                  { m.lost = lost }
func (m *model) Lag(bool)                               {} // it has one edge
func (m *model) StoreDown(down bool)                    { m.storeDown = down }
func (m *model) SessionCookies() (token, legacy string) { return "token", "legacy" }

// Advance lets time pass: what was written some seconds before reaches the counterparts.
func (m *model) Advance(d time.Duration) {
	m.now += int(d / time.Second)
	if d < 5*time.Second || m.storeDown || m.bridgeDown {
		return
	}
	for _, r := range m.lineages {
		if row := m.load(r.key); row != nil && row.kept && m.handed[r.key] == 0 && r.state == "live" {
			row.cart = r.cart
		}
	}
}

func (m *model) Deliver() {
	if m.storeDown {
		return
	}
	for _, f := range m.late {
		f()
	}
	m.late = nil
}

// bucket is the visitor's place in [0, 100).
func bucket(visitor string) (n int) {
	for _, c := range visitor {
		n = (n*31 + int(c)) % 100
	}
	return n
}

// load is the legacy session of a key, or nil; like Django, a failed check removes it.
func (m *model) load(key string) *legacyRow {
	r := m.rows[key]
	if r != nil && (m.tombs[r.lineage] || r.user != "" && r.password != m.passwords[r.user]) {
		delete(m.rows, key)
		return nil
	}
	return r
}

func (m *model) end(lineage int) {
	if lineage == 0 {
		return
	}
	m.tombs[lineage] = true
	for k, r := range m.rows {
		if r.lineage == lineage {
			delete(m.rows, k)
		}
	}
}

// worth is what a token is worth now. Presenting a successor starts the closing of what came before.
func (m *model) worth(token string) (handover.Token, *record) {
	if token == "" {
		return handover.TokenNone, nil
	}
	if m.storeDown {
		return handover.TokenUnknown, nil
	}
	c := m.creds[token]
	if c == nil {
		if strings.HasPrefix(token, "guest") && !m.spent[token] {
			return handover.TokenIdle, nil
		}
		return handover.TokenDead, nil
	}
	r := c.rec
	switch {
	case m.tombs[r.lineage] || r.user != "" && r.password != m.passwords[r.user]:
		return handover.TokenDead, r
	case c.old:
		if r.first == 0 || m.now-r.first <= grace {
			return handover.TokenReadOnly, r
		}
		return handover.TokenDead, r
	case r.state == "moving":
		return handover.TokenMoving, r
	case r.state == "moved":
		switch {
		case !m.movedOpen(r):
		case r.next != nil:
			// Another tab brought the lineage back already: this one gets the winner's session.
			token, r := m.stands(r.next)
			return token, r
		default:
			return handover.TokenMoved, r
		}
		return handover.TokenDead, r
	}
	if r.first == 0 {
		r.first = m.now
	}
	return m.stands(r)
}

// stands is what the current token of a record would be worth.
func (m *model) stands(r *record) (handover.Token, *record) {
	switch {
	case r.state == "moving":
		return handover.TokenMoving, r
	case r.state == "moved" && r.next != nil:
		return m.stands(r.next)
	case r.state == "moved":
		return handover.TokenMoved, r
	case r.user != "":
		return handover.TokenAuth, r
	}
	return handover.TokenGuest, r
}

// keyOpen says that a key that was exchanged for r still proves it: r was not presented yet, or a moment
// ago; and where r has been restored meanwhile, as long as its token would.
func (m *model) keyOpen(r *record) bool {
	if r.state == "moved" {
		return !r.privileged && m.movedOpen(r)
	}
	return !r.privileged && (r.state == "live" || r.state == "moving") && (r.first == 0 || m.now-r.first <= grace)
}

// movedOpen says that a token still proves a record that was restored: its restored key was not presented
// yet, or a moment ago; and where that was exchanged again, as long as the key would.
func (m *model) movedOpen(r *record) bool {
	if r.next != nil {
		return m.keyOpen(r.next)
	}
	s := m.keys[r.key]
	return s != nil && (s.presented == 0 || m.now-s.presented <= grace)
}

// open makes a record the newest generation of its lineage.
func (m *model) open(r *record) {
	if before := m.lineages[r.lineage]; before != nil {
		before.next = r
		if before.state != "ended" {
			before.state = "moved"
		}
	}
	m.lineages[r.lineage] = r
	m.creds[r.token] = &cred{rec: r}
}
