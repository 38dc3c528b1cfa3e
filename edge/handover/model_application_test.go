package handover_test

import (
	"net/url"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/test/histories"
)

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
		m.rows[r.key] = &legacyRow{user: r.user, password: r.password, cart: r.cart, lineage: r.lineage, visitor: e.visitor, kept: true}
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
		row.kept = row.kept && pl.As == handover.LegacyTicket && pl.Legacy != handover.Set // only lent
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
