package sessiontest

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

func testTransient(t *testing.T, r *rig) {
	ctx := t.Context()
	yes, no := true, false
	proof := func() *session.GuestProof { return Proof(r.NewGuest(session.VisitorID{1}).Session) }
	transient := func(id session.ID) bool {
		t.Helper()
		s, err := r.Get(ctx, id)
		r.ok(err)
		return s.Transient
	}

	t.Run("a first write says it, and what it does not say is no", func(t *testing.T) {
		for _, c := range []struct {
			said *bool
			want bool
		}{{nil, false}, {&no, false}, {&yes, true}} {
			p, err := r.Patch(ctx, session.Patch{Guest: proof(), Set: values("cart", "[1]"), Transient: c.said})
			r.ok(err)
			same(t, p.Replace.Session.Transient, c.want)
			same(t, transient(p.Session.ID), c.want)
		}
	})
	t.Run("a change brings a new token, and the old one still opens the session", func(t *testing.T) {
		old := r.guest()
		p, err := r.Patch(ctx, session.Patch{ID: old.Session.ID, Transient: &yes})
		r.ok(err)
		if p.Replace == nil || p.Replace.Token == old.Token || !p.Replace.Session.Transient {
			t.Fatalf("got %+v", p.Replace)
		}
		r.worth(p.Replace.Token, session.WorthLive)
		res := r.worth(old.Token, session.WorthLive)
		if res.Replace == nil || res.Replace.Token != p.Replace.Token {
			t.Fatal("whoever still has the old token does not get the new one")
		}
		t.Run("once", func(t *testing.T) {
			again, err := r.Patch(ctx, session.Patch{ID: old.Session.ID, Transient: &yes})
			r.ok(err)
			if again.Replace != nil {
				t.Fatal("a second token for the same thing")
			}
		})
		t.Run("and back", func(t *testing.T) {
			back, err := r.Patch(ctx, session.Patch{ID: old.Session.ID, Transient: &no})
			r.ok(err)
			same(t, back.Replace.Session.Transient, false)
		})
	})
	t.Run("a login says it, and one that says nothing leaves it", func(t *testing.T) {
		first, err := r.Upgrade(ctx, session.Upgrade{Subject: "u1", Born: r.CurrentMark(), Transient: &yes})
		r.ok(err)
		same(t, first.Session.Transient, true)
		id := first.Session.ID
		again, err := r.Upgrade(ctx, session.Upgrade{ID: id, Subject: "u1", Born: r.CurrentMark()})
		r.ok(err)
		same(t, again.Session.Transient, true)
		up, err := r.StepUp(ctx, session.StepUp{ID: id})
		r.ok(err)
		same(t, up.Session.Transient, true)
		remembered, err := r.Upgrade(ctx, session.Upgrade{ID: id, Subject: "u1", Born: r.CurrentMark(), Transient: &no})
		r.ok(err)
		same(t, remembered.Session.Transient, false)
	})
	t.Run("an exchange takes it over, there and back again", func(t *testing.T) {
		in := session.Exchange{
			LegacyKey: "transient000000000000000000000001", Lineage: session.Lineage{77}, Kind: session.Authenticated, Subject: "u2",
			AuthTime: r.clock.Now(), Born: r.CurrentMark(), ExpiresAt: r.clock.Now().Add(time.Hour), Transient: true,
		}
		out, err := r.Exchange(ctx, in)
		r.ok(err)
		same(t, out.Issued.Session.Transient, true)
		claim, err := r.ClaimRestore(ctx, out.Issued.Session.ID)
		r.ok(err)
		same(t, claim.Session.Transient, true)
		r.ok(r.FinishRestore(ctx, claim))
		in.LegacyKey = claim.Key
		next, err := r.Exchange(ctx, in)
		r.ok(err)
		same(t, next.Issued.Session.Transient, true)
		same(t, next.Issued.Session.Generation, uint32(2))
	})
}
