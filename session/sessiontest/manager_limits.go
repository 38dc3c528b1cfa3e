package sessiontest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// limited is a process with a limit on the rig's store.
func (r *rig) limited(b session.Beyond) *session.Manager {
	return r.node(session.Config{PerSubject: 3, Beyond: b, CacheFor: time.Nanosecond})
}

func testPerSubject(t *testing.T, r *rig) {
	ctx := t.Context()
	in := func(m *session.Manager, subject string) (session.Issued, error) {
		r.clock.Advance(time.Second)
		return m.Upgrade(ctx, session.Upgrade{Subject: subject, Born: m.CurrentMark()})
	}
	three := func(m *session.Manager, subject string) (out []session.Issued) {
		t.Helper()
		for range 3 {
			s, err := in(m, subject)
			r.ok(err)
			out = append(out, s)
		}
		return out
	}
	live := func(m *session.Manager, all ...session.Issued) (out []session.Worth) {
		for _, s := range all {
			out = append(out, m.Resolve(ctx, s.Token).Worth)
		}
		return out
	}
	const ended, alive = session.WorthEnded, session.WorthLive

	t.Run("end-oldest ends the session whose login is longest ago, in both systems", func(t *testing.T) {
		m := r.limited(session.EndOldest)
		have := three(m, "u1")
		next, err := in(m, "u1")
		r.ok(err)
		same(t, live(m, append(have, next)...), []session.Worth{ended, alive, alive, alive})
		if !m.Denied(have[0].Session.Lineage) {
			t.Fatal("legacy is not told")
		}
	})
	t.Run("end-idlest ends the one that was longest not used", func(t *testing.T) {
		m := r.limited(session.EndIdlest)
		have := three(m, "u2")
		r.clock.Advance(2 * time.Hour)
		_, err := m.Patch(ctx, session.Patch{ID: have[0].Session.ID, Set: values("a", "1")})
		r.ok(err)
		next, err := in(m, "u2")
		r.ok(err)
		same(t, live(m, append(have, next)...), []session.Worth{alive, ended, alive, alive})
	})
	t.Run("deny refuses the login, leaves the others, and does not count a login anew in one's own", func(t *testing.T) {
		m := r.limited(session.Deny)
		have := three(m, "u3")
		_, err := in(m, "u3")
		r.fails(fault.Exhausted, err)
		same(t, live(m, have...), []session.Worth{alive, alive, alive})
		again, err := m.Upgrade(ctx, session.Upgrade{ID: have[1].Session.ID, Subject: "u3", Born: m.CurrentMark()})
		r.ok(err)
		_, err = m.End(ctx, session.End{ID: again.Session.ID, Reason: "logout"})
		r.ok(err)
		_, err = in(m, "u3")
		r.ok(err)
	})
	for b, name := range []string{"end-oldest", "end-idlest", "deny"} {
		t.Run("parallel logins in two processes do not stay beyond the limit: "+name, func(t *testing.T) {
			one, two, subject := r.limited(session.Beyond(b)), r.limited(session.Beyond(b)), fmt.Sprint("many", b)
			atOnce(12, func(i int) bool {
				m := one
				if i%2 == 0 {
					m = two
				}
				_, err := m.Upgrade(ctx, session.Upgrade{Subject: subject, Born: m.CurrentMark()})
				if err != nil && fault.CodeOf(err) != fault.Exhausted {
					t.Error(err)
				}
				return err == nil
			})
			ss, _, err := one.List(ctx, subject, "", 100)
			r.ok(err)
			if len(ss) > 3 || len(ss) == 0 && session.Beyond(b) != session.Deny {
				t.Fatalf("%d sessions stay", len(ss))
			}
		})
	}
}

func testRate(t *testing.T, r *rig) {
	ctx := t.Context()
	m := r.node(session.Config{GuestRate: 5, LoginRate: 2})
	from := func(addr string) session.Device { return session.NewDevice("", netip.MustParseAddr(addr)) }
	guest := func(d session.Device) error {
		_, err := m.Patch(ctx, session.Patch{Guest: Proof(m.NewGuest(session.VisitorID{1}).Session), Set: values("a", "1"), Device: d})
		return err
	}
	login := func(d session.Device) error {
		_, err := m.Upgrade(ctx, session.Upgrade{Subject: "u1", Born: m.CurrentMark(), Device: d})
		return err
	}
	t.Run("a guest flood from one network stops at its rate, and nobody else is kept out", func(t *testing.T) {
		for range 10 { // two minutes' worth at once
			r.ok(guest(from("203.0.113.7")))
		}
		err := guest(from("203.0.113.200"))
		r.fails(fault.Exhausted, err)
		if _, hint := fault.Public(err); hint == "" {
			t.Fatal("it does not say when to try again")
		}
		r.ok(guest(from("198.51.100.1")))
		r.ok(guest(session.Device{}))
		r.ok(login(from("203.0.113.7"))) // counted apart
		r.clock.Advance(12 * time.Second)
		r.ok(guest(from("203.0.113.7")))
		r.fails(fault.Exhausted, guest(from("203.0.113.7")))
	})
	t.Run("logins likewise", func(t *testing.T) {
		for range 4 {
			r.ok(login(from("2001:db8::1")))
		}
		r.fails(fault.Exhausted, login(from("2001:db8:0:ff::2")))
		r.clock.Advance(time.Hour)
		r.ok(login(from("2001:db8::1")))
	})
}
