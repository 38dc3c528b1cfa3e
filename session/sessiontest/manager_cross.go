package sessiontest

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// exchange is what an edge asks for after the bridge has answered.
func exchange(key string, l session.Lineage, subject string) session.Exchange {
	x := session.Exchange{LegacyKey: key, Lineage: l, Visitor: session.VisitorID{1}, Origin: "shop", Kind: session.Guest,
		ExpiresAt: epoch.Add(14 * 24 * time.Hour), Data: values("cart", "[1]")}
	if subject != "" {
		x.Kind, x.Subject, x.AuthTime = session.Authenticated, subject, epoch.Add(-time.Hour)
	}
	return x
}

func (r *rig) exchange(x session.Exchange) session.Issued {
	r.t.Helper()
	out, err := r.Exchange(r.t.Context(), x)
	r.ok(err)
	if out.Refused != "" {
		r.t.Fatalf("refused: %s", out.Refused)
	}
	return out.Issued
}

func (r *rig) refused(x session.Exchange, want session.Refusal) {
	r.t.Helper()
	out, err := r.Exchange(r.t.Context(), x)
	r.ok(err)
	if out.Refused != want || out.Issued.Token != "" {
		r.t.Fatalf("got %+v, want %s", out, want)
	}
}

func testExchange(t *testing.T, r *rig) {
	ctx := t.Context()
	x := exchange("k1", session.Lineage{1}, "u1")
	x.Counterpart, x.CounterpartAt = "c1", epoch.Add(20*24*time.Hour)
	a, err := r.Exchange(ctx, x)
	r.ok(err)
	t.Run("the session has the data, the login and the remaining life of the legacy one", func(t *testing.T) {
		s := r.worth(a.Issued.Token, session.WorthLive).Session
		if !a.Created || s.Lineage != x.Lineage || s.Generation != 1 || s.Subject != "u1" || !s.AuthTime.Equal(x.AuthTime) ||
			!s.ExpiresAt.Equal(x.ExpiresAt) || s.Origin != "shop" || s.LegacyKey != "c1" || !s.LegacyExpires.Equal(x.CounterpartAt) {
			t.Fatalf("got %+v", s)
		}
		same(t, r.read(s.ID), map[string]string{"cart": "[1]"})
	})
	t.Run("asked again, the winner's token comes back", func(t *testing.T) {
		b, err := r.Exchange(ctx, x)
		r.ok(err)
		if b.Created || b.Issued.Token != a.Issued.Token {
			t.Fatalf("got %+v", b)
		}
	})
	t.Run("until 30 s after it was first presented", func(t *testing.T) {
		r.clock.Advance(grace - time.Millisecond)
		same(t, r.exchange(x).Token, a.Issued.Token)
		r.clock.Advance(time.Millisecond)
		r.refused(x, session.RefusedClosed)
	})
	t.Run("a lost answer: a new secret with the data as it is now, the earlier one works for the grace", func(t *testing.T) {
		x := exchange("k2", session.Lineage{2}, "")
		lost := r.exchange(x)
		r.clock.Advance(time.Hour)
		x.Data = values("cart", "[1,2]")
		found := r.exchange(x)
		if found.Token == lost.Token || found.Session.ID != lost.Session.ID {
			t.Fatalf("got %+v", found)
		}
		same(t, r.read(found.Session.ID), map[string]string{"cart": "[1,2]"})
		r.worth(lost.Token, session.WorthLive)
		r.worth(found.Token, session.WorthLive)
		r.clock.Advance(grace)
		r.worth(lost.Token, session.WorthInvalid)
		r.worth(found.Token, session.WorthLive)
	})
	t.Run("a login closes the key at once", func(t *testing.T) {
		x := exchange("k3", session.Lineage{3}, "")
		g := r.exchange(x)
		_, err := r.Upgrade(ctx, session.Upgrade{ID: g.Session.ID, Subject: "u1"})
		r.ok(err)
		r.refused(x, session.RefusedClosed)
	})
	t.Run("parallel tabs and other edges all get one session", func(t *testing.T) {
		nodes := []*session.Manager{r.Manager, r.node(session.Config{CacheFor: time.Nanosecond})}
		x := exchange("k4", session.Lineage{4}, "")
		tokens := make([]string, 16)
		created := atOnce(16, func(i int) bool {
			out, err := nodes[i%2].Exchange(ctx, x)
			if err != nil {
				t.Error(err)
			}
			tokens[i] = out.Issued.Token
			return out.Created
		})
		same(t, created, 1)
		for _, tok := range tokens {
			same(t, tok, tokens[0])
		}
	})
	t.Run("what makes no sense is refused with a reason", func(t *testing.T) {
		for _, bend := range []func(*session.Exchange){
			func(x *session.Exchange) { x.LegacyKey = "" },
			func(x *session.Exchange) { x.Lineage = session.Lineage{} },
			func(x *session.Exchange) { x.Kind = 0 },
			func(x *session.Exchange) { x.Subject = "" },
			func(x *session.Exchange) { x.Counterpart = x.LegacyKey },
			func(x *session.Exchange) { x.Data = values("a", "{") },
		} {
			x := exchange("k5", session.Lineage{5}, "u1")
			bend(&x)
			_, err := r.Exchange(ctx, x)
			r.fails(fault.Invalid, err)
		}
	})
}

func testRefusals(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("a lineage that ended", func(t *testing.T) {
		_, err := r.End(ctx, session.End{Lineage: session.Lineage{1}, Reason: "logout"})
		r.ok(err)
		r.refused(exchange("k1", session.Lineage{1}, "u1"), session.RefusedEnded)
	})
	t.Run("a session of ours that ended after it", func(t *testing.T) {
		x := exchange("k2", session.Lineage{2}, "u1")
		in := r.exchange(x)
		_, err := r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout"})
		r.ok(err)
		r.refused(x, session.RefusedEnded)
	})
	t.Run("a deadline that has passed", func(t *testing.T) {
		x := exchange("k3", session.Lineage{3}, "u1")
		x.ExpiresAt = epoch
		r.refused(x, session.RefusedExpired)
	})
	t.Run("a mark later than the login; an unstamped login is the oldest", func(t *testing.T) {
		_, err := r.End(ctx, session.End{Subject: "u5", Reason: "password", LegacyDone: true})
		r.ok(err)
		x := exchange("k5", session.Lineage{5}, "u5")
		r.refused(x, session.RefusedMark)
		x.Born = r.CurrentMark()
		r.exchange(x)
		r.exchange(exchange("k6", session.Lineage{6}, "somebody else"))
	})
	t.Run("a key with two stories", func(t *testing.T) {
		r.exchange(exchange("k7", session.Lineage{7}, "u1"))
		r.refused(exchange("k7", session.Lineage{8}, "u1"), session.RefusedClosed)
		r.refused(exchange("k7", session.Lineage{7}, "u2"), session.RefusedClosed)
	})
}

func testTakeOver(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("a guest's data joins the login that happened on legacy", func(t *testing.T) {
		g := r.guest()
		_, err := r.Patch(ctx, session.Patch{ID: g.Session.ID, Set: values("wish", `"bike"`, "_auth_user_id", "9")})
		r.ok(err)
		x := exchange("k1", session.Lineage{1}, "u1")
		x.Data, x.Into = values("cart", "[7]"), g.Session.ID
		in := r.exchange(x)
		same(t, r.read(in.Session.ID), map[string]string{"cart": "[7]", "wish": `"bike"`})

		t.Run("and its token reads what was the guest's, until the grace ends", func(t *testing.T) {
			res := r.worth(g.Token, session.WorthReadOnly)
			same(t, r.read(res.Session.ID), map[string]string{"cart": "[1]", "wish": `"bike"`})
			_, err := r.Patch(ctx, session.Patch{ID: g.Session.ID, Set: values("a", "1")})
			r.fails(fault.Precondition, err)
			r.clock.Advance(grace)
			r.worth(g.Token, session.WorthInvalid)
		})
	})
	t.Run("a guest that stored nothing is over", func(t *testing.T) {
		g := r.NewGuest(session.VisitorID{1})
		x := exchange("k2", session.Lineage{2}, "u1")
		x.Into = g.Session.ID
		r.exchange(x)
		r.worth(g.Token, session.WorthEnded)
	})
	t.Run("somebody's session is not merged", func(t *testing.T) {
		x := exchange("k3", session.Lineage{3}, "u1")
		x.Into = r.login("u2").Session.ID
		_, err := r.Exchange(ctx, x)
		r.fails(fault.Invalid, err)
	})
	t.Run("what does not fit stays behind, the login is not refused", func(t *testing.T) {
		g := r.guest()
		big := `"` + string(make([]byte, 0)) + `"`
		for len(big) < 40<<10 {
			big = big[:len(big)-1] + "xxxxxxxxxxxxxxxx" + `"`
		}
		_, err := r.Patch(ctx, session.Patch{ID: g.Session.ID, Set: values("big", big)})
		r.ok(err)
		x := exchange("k4", session.Lineage{4}, "u1")
		x.Data, x.Into = values("mine", big), g.Session.ID
		in := r.exchange(x)
		if got := r.read(in.Session.ID); len(got) != 2 || got["cart"] != "[1]" {
			t.Fatalf("got %d keys", len(got))
		}
	})
}
