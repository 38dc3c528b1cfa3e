package handover_test

import (
	"fmt"
	"strings"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/test/histories"
)

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
		if !m.keyOpen(s.rec) {
			return handover.Refused
		}
		heir := s.rec
		for heir.next != nil {
			heir = heir.next
		}
		if heir.state == "moving" && m.load(heir.key) == nil {
			heir.release() // legacy never got it
		}
		if heir.state != "live" {
			return e.exchange(heir.key, into)
		}
		if heir == s.rec && heir.first == 0 {
			heir.cart = row.cart // nobody has opened it yet: legacy's word is the newer one
		}
		e.fresh = heir
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
		c.kept = true
		m.rows[r.key] = &c
	}
	m.open(r)
	m.keys[key] = &succession{rec: r, lineage: r.lineage}
	e.fresh = r
	return handover.Done
}

func (e *execution) reopen(token handover.Token) handover.Outcome {
	o := e.exchange(e.rec.key, nil)
	if o == handover.Absent && token == handover.TokenMoving {
		e.rec.release()
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
		r.state, r.counterpart, r.key = "moving", r.key, m.name("k")
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
