package handover_test

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/test/histories"
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
}

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
func (m *model) StoreDown(down bool)                    { m.storeDown = down }
func (m *model) Advance(d time.Duration)                { m.now += int(d / time.Second) }
func (m *model) SessionCookies() (token, legacy string) { return "token", "legacy" }

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

// Do carries one request out as the edge does.
func (m *model) Do(jar histories.Jar, q histories.Request) histories.Response {
	out := histories.Response{Status: 200, Set: map[string]string{}}
	visitor, last := m.visitor(jar, &out)
	token, rec := m.worth(jar["token"])
	v := handover.Visit{Token: token, Entry: q.Entry, Killed: m.killed, Ticket: m.ticket(jar) != nil}
	if jar["legacy"] != "" {
		v.Legacy = handover.LegacyPresent
	}
	v.Governs = m.governs(v, visitor, last)
	run := &execution{m: m, jar: jar, visitor: visitor, rec: rec, key: jar["legacy"]}
	pl := run.verdict(v)
	m.cookies(pl, run, &out)
	if v.Entry || v.Killed {
		out.Set["visitor"] = visitor + "|" + pl.System.String()
	}
	m.serve(pl, run, q, &out)
	for name := range out.Set {
		for i, d := range out.Delete {
			if d == name {
				out.Delete = append(out.Delete[:i:i], out.Delete[i+1:]...)
				break
			}
		}
	}
	return out
}

func (m *model) visitor(jar histories.Jar, out *histories.Response) (visitor, last string) {
	visitor, last, _ = strings.Cut(jar["visitor"], "|")
	if visitor == "" {
		visitor = m.name("v")
		out.Set["visitor"] = visitor + "|"
	}
	return visitor, last
}

func (m *model) governs(v handover.Visit, visitor, last string) rollout.System {
	switch {
	case m.killed:
		return rollout.Legacy
	case v.Entry && bucket(visitor) < m.share:
		return rollout.New
	case v.Entry:
		return rollout.Legacy
	case last == "new":
		return rollout.New
	case last == "" && v.Token != handover.TokenNone:
		return rollout.New
	}
	return rollout.Legacy
}

// ticket is what the return ticket names, when it belongs to the token beside it.
func (m *model) ticket(jar histories.Jar) []string {
	parts := strings.Split(jar["ticket"], "|") // token, legacy key, lineage
	if len(parts) != 3 || parts[0] != jar["token"] || jar["token"] == "" {
		return nil
	}
	return parts
}

// execution carries one plan out.
type execution struct {
	m       *model
	jar     histories.Jar
	visitor string
	rec     *record // behind the token, or behind the key of an open succession
	key     string  // the legacy key to serve
	fresh   *record // made by an exchange
}

func (e *execution) verdict(v handover.Visit) handover.Plan {
	for {
		pl := handover.Next(v, handover.Policy{Legacy: true, Guest: true})
		switch pl.Op {
		case handover.Serve:
			if pl.EndLineage && e.rec != nil {
				e.m.end(e.rec.lineage)
			}
			return pl
		case handover.Inspect:
			v.Look = e.look(v.Token)
		case handover.Succeed:
			v.Succession = e.succession()
		case handover.Exchange:
			v.Exchanged = e.exchange(e.jar["legacy"], nil)
		case handover.TakeOver:
			v.Exchanged = e.exchange(e.jar["legacy"], e.rec)
		case handover.Reopen:
			v.Exchanged = e.reopen(v.Token)
		case handover.Restore:
			v.Restored = e.restore()
		}
	}
}

func (e *execution) look(token handover.Token) handover.Look {
	m, key := e.m, e.jar["legacy"]
	if e.rec != nil && e.rec.key == key && e.rec.state == "moved" {
		return handover.LookSameLineage
	}
	if m.bridgeDown || m.lost {
		return handover.LookUnreachable
	}
	r := m.load(key)
	switch {
	case r == nil:
		return handover.LookGone
	case e.rec != nil && r.lineage == e.rec.lineage && r.lineage != 0 && m.handed[key] != 0:
		return handover.LookSameMoved
	case e.rec != nil && r.lineage == e.rec.lineage && r.lineage != 0:
		return handover.LookSameLineage
	case r.visitor != e.visitor:
		return handover.LookTheirs
	case r.user == "":
		return handover.LookAnonymous
	case e.rec != nil && r.user == e.rec.user:
		return handover.LookSameSubject
	}
	return handover.LookMine
}

func (e *execution) succession() handover.Succession {
	m := e.m
	if m.storeDown {
		return handover.SuccessionUnknown
	}
	s := m.keys[e.jar["legacy"]]
	if s == nil {
		return handover.SuccessionFree
	}
	if s.rec == nil && s.presented == 0 {
		s.presented = m.now
	}
	switch {
	case m.tombs[s.lineage]:
		return handover.SuccessionEnded
	case s.closed:
		return handover.SuccessionClosed
	case s.rec == nil:
		return handover.SuccessionFree
	case !m.keyOpen(s.rec):
		return handover.SuccessionClosed
	}
	e.rec = s.rec
	return handover.SuccessionOpen
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

func (e *execution) exchange(key string, into *record) handover.Outcome {
	m := e.m
	if m.storeDown || m.bridgeDown {
		return handover.Unreachable
	}
	row := m.load(key)
	if row == nil {
		if m.lost {
			return handover.Unreachable
		}
		return handover.Absent
	}
	if row.lineage == 0 {
		m.serial++
		row.lineage = m.serial
	}
	m.handed[key] = row.lineage
	if m.lost {
		return handover.Unreachable
	}
	s := m.keys[key]
	if s != nil && s.closed {
		return handover.Refused
	}
	if s != nil && s.rec != nil {
		if s.rec.state == "moving" {
			return handover.Unreachable
		}
		if !m.keyOpen(s.rec) {
			return handover.Refused
		}
		if s.rec.first == 0 {
			s.rec.cart = row.cart // nobody has opened it yet: legacy's word is the newer one
		}
		e.fresh = s.rec
		return handover.Done
	}
	r := &record{lineage: row.lineage, user: row.user, password: row.password, cart: row.cart, state: "live", token: m.name("t")}
	if into != nil && r.cart == "" {
		r.cart = into.cart
	}
	if into != nil {
		m.end(into.lineage)
	}
	if r.user != "" {
		r.key = m.name("k")
		c := *row
		m.rows[r.key] = &c
	}
	m.open(r)
	m.keys[key] = &succession{rec: r, lineage: r.lineage}
	e.fresh = r
	return handover.Done
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

func (e *execution) reopen(token handover.Token) handover.Outcome {
	o := e.exchange(e.rec.key, nil)
	if o == handover.Absent && token == handover.TokenMoving {
		e.rec.state = "live"
	}
	return o
}

func (e *execution) restore() handover.Outcome {
	m, r := e.m, e.rec
	switch {
	case m.storeDown:
		return handover.Unreachable
	case r.state == "moved":
		e.key = r.key
		return handover.Done
	case r.state == "live":
		r.state, r.key = "moving", m.name("k")
	}
	if m.bridgeDown {
		return handover.Unreachable
	}
	if m.tombs[r.lineage] || r.user != "" && r.password != m.passwords[r.user] {
		if m.lost {
			return handover.Unreachable
		}
		return handover.Refused
	}
	m.rows[r.key] = &legacyRow{user: r.user, password: r.password, cart: r.cart, lineage: r.lineage, visitor: e.visitor}
	delete(m.handed, r.key)
	if m.lost {
		return handover.Unreachable
	}
	m.keys[r.key] = &succession{lineage: r.lineage}
	r.state, e.key = "moved", r.key
	return handover.Done
}

// cookies writes what the plan says.
func (m *model) cookies(pl handover.Plan, e *execution, out *histories.Response) {
	switch {
	case pl.Guest:
		out.Set["token"] = m.name("guest")
		out.Delete = append(out.Delete, "ticket")
	case pl.Token == handover.Set:
		m.hand(e.fresh, out)
	case pl.Token == handover.Keep && pl.As == handover.TokenSession && e.rec != nil && e.rec.token != e.jar["token"]:
		m.hand(e.rec, out)
	case pl.Token == handover.Drop:
		out.Delete = append(out.Delete, "token", "ticket")
	}
	if pl.As == handover.LegacyTicket {
		e.key = m.ticket(e.jar)[1]
	}
	switch {
	case pl.As == handover.LegacyRestored && e.rec != nil:
		e.key = e.rec.key
	}
	switch pl.Legacy {
	case handover.Set:
		out.Set["legacy"] = e.key
	case handover.Drop:
		out.Delete = append(out.Delete, "legacy")
	}
}

func (m *model) hand(r *record, out *histories.Response) {
	out.Set["token"] = r.token
	if r.user != "" {
		out.Set["ticket"] = fmt.Sprint(r.token, "|", r.key, "|", r.lineage)
	} else {
		out.Delete = append(out.Delete, "ticket")
	}
}

// serve is the application behind the edge.
func (m *model) serve(pl handover.Plan, e *execution, q histories.Request, out *histories.Response) {
	u, _ := url.Parse(q.Path)
	if pl.System == rollout.New {
		m.serveNew(pl, e, u, out)
		return
	}
	m.serveLegacy(pl, e, u, out)
}

func (m *model) serveNew(pl handover.Plan, e *execution, u *url.URL, out *histories.Response) {
	r := e.rec
	if pl.As == handover.NewSession {
		r = e.fresh
	}
	if pl.As == handover.Nobody {
		r = nil
	}
	out.System = "new"
	if r != nil {
		out.Cart = r.cart
	}
	if r != nil && pl.As != handover.TokenReader {
		out.User = r.user
	}
	idle := pl.As == handover.TokenSession && r == nil
	writable := idle || r != nil && r.state == "live" && pl.As != handover.TokenReader
	switch u.Path {
	case "/put", "/login", "/password":
		if !writable || m.storeDown {
			out.Status = 409
			return
		}
	case "/logout":
		if r != nil {
			m.end(r.lineage)
		}
		out.Delete = append(out.Delete, "token", "ticket")
		out.User = ""
		return
	default:
		return
	}
	if r == nil {
		m.serial++
		r = &record{lineage: m.serial, state: "live", token: m.name("t")}
		m.spent[e.jar["token"]] = true
		m.open(r)
	}
	switch u.Path {
	case "/put":
		r.cart = u.Query().Get("v")
	case "/login":
		r.user = u.Query().Get("u")
		r.password = m.passwords[r.user]
	case "/password":
		m.passwords[r.user]++
		r.password = m.passwords[r.user]
	}
	if u.Path != "/put" {
		delete(m.rows, r.key)
		r.key = m.name("k")
		m.rows[r.key] = &legacyRow{user: r.user, password: r.password, cart: r.cart, lineage: r.lineage, visitor: e.visitor}
		m.creds[r.token].old = true
		r.token, r.first, r.privileged = m.name("t"), 0, true
		m.creds[r.token] = &cred{rec: r}
	}
	m.hand(r, out)
	out.User = r.user
}

func (m *model) serveLegacy(pl handover.Plan, e *execution, u *url.URL, out *histories.Response) {
	out.System = "legacy"
	key := e.key
	if pl.As == handover.Nobody {
		key = ""
	}
	row := m.load(key)
	if row != nil && m.handed[key] != 0 && !pl.Return {
		row = nil
	}
	if row != nil {
		out.User, out.Cart = row.user, row.cart
	}
	issue := func(r *legacyRow) {
		k := m.name("k")
		m.rows[k] = r
		out.Set["legacy"] = k
		if e.jar["token"] != "" { // the browser must not keep two
			out.Delete = append(out.Delete, "token", "ticket")
		}
	}
	switch u.Path {
	case "/put":
		if row != nil {
			row.cart = u.Query().Get("v")
			if r := m.lineages[m.handed[key]]; r != nil && r.state == "live" && !m.storeDown {
				r.cart = row.cart // a save on a session that has moved is a patch to the new one
			}
			return
		}
		issue(&legacyRow{cart: u.Query().Get("v"), visitor: e.visitor})
	case "/login":
		fresh := &legacyRow{user: u.Query().Get("u"), visitor: e.visitor}
		fresh.password = m.passwords[fresh.user]
		if row != nil {
			fresh.cart = row.cart
			delete(m.rows, key)
		}
		issue(fresh)
		out.User = fresh.user
	case "/logout":
		if row != nil {
			delete(m.rows, key)
			m.end(row.lineage)
		}
		out.Delete = append(out.Delete, "legacy")
		delete(out.Set, "legacy")
		out.User = ""
	case "/password":
		if row == nil || row.user == "" {
			out.Status = 403
			return
		}
		m.passwords[row.user]++
		delete(m.rows, key)
		issue(&legacyRow{user: row.user, password: m.passwords[row.user], cart: row.cart, visitor: e.visitor})
	}
}
