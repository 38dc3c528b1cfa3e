package sessiontest

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

func testRotate(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("losers get the winner's token", func(t *testing.T) {
		g := r.guest()
		r.worth(g.Token, session.WorthLive)
		r.clock.Advance(time.Minute)
		a, err := r.Rotate(ctx, g.Session.ID)
		r.ok(err)
		b, err := r.Rotate(ctx, g.Session.ID)
		r.ok(err)
		if a.Token == g.Token || a.Token != b.Token {
			t.Fatal("two rotations at once made two tokens")
		}
		res := r.worth(g.Token, session.WorthLive)
		if res.Replace == nil || res.Replace.Token != a.Token {
			t.Fatalf("got %+v", res.Replace)
		}
	})
	t.Run("the old token works for 30 s from the successor's first use", func(t *testing.T) {
		g := r.guest()
		r.worth(g.Token, session.WorthLive)
		r.clock.Advance(time.Minute)
		a, err := r.Rotate(ctx, g.Session.ID)
		r.ok(err)
		r.clock.Advance(20 * time.Second)
		r.worth(a.Token, session.WorthLive)
		r.clock.Advance(grace - time.Millisecond)
		if res := r.worth(g.Token, session.WorthLive); res.Replace == nil || res.Replace.Token != a.Token {
			t.Fatal("no token for the loser")
		}
		r.clock.Advance(time.Millisecond)
		r.worth(g.Token, session.WorthInvalid)
		r.worth(a.Token, session.WorthLive)
	})
	t.Run("a lost answer: a successor that was never presented gets a new secret", func(t *testing.T) {
		g := r.guest()
		r.worth(g.Token, session.WorthLive)
		r.clock.Advance(time.Minute)
		lost, err := r.Rotate(ctx, g.Session.ID)
		r.ok(err)
		r.clock.Advance(time.Hour)
		res := r.worth(g.Token, session.WorthLive)
		if res.Replace == nil || res.Replace.Token == lost.Token {
			t.Fatal("the sealed token was given out too late")
		}
		r.worth(lost.Token, session.WorthLive)
		r.worth(res.Replace.Token, session.WorthLive)
		r.clock.Advance(grace)
		r.worth(g.Token, session.WorthInvalid)
		r.worth(lost.Token, session.WorthInvalid)
		r.worth(res.Replace.Token, session.WorthLive)
	})
	t.Run("a secret that was closing goes on closing", func(t *testing.T) {
		g := r.guest()
		r.worth(g.Token, session.WorthLive)
		r.clock.Advance(time.Minute)
		a, err := r.Rotate(ctx, g.Session.ID)
		r.ok(err)
		r.worth(a.Token, session.WorthLive)
		r.clock.Advance(20 * time.Second)
		_, err = r.Rotate(ctx, g.Session.ID)
		r.ok(err)
		r.clock.Advance(10 * time.Second)
		r.worth(g.Token, session.WorthInvalid)
		r.worth(a.Token, session.WorthLive)
	})
	t.Run("a guessed secret is worth nothing and spoils nothing", func(t *testing.T) {
		g := r.guest()
		tok, _ := session.ParseToken(g.Token)
		tok.Secret[3] ^= 1
		r.worth(tok.String(), session.WorthInvalid)
		r.worth(g.Token, session.WorthLive)
		tok.ID[0] ^= 1
		r.worth(tok.String(), session.WorthInvalid)
		r.worth("cf1_rubbish", session.WorthInvalid)
		r.worth("", session.WorthNone)
	})
}

func testLogin(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("a guest who logs in keeps the data, and gets a new secret", func(t *testing.T) {
		g := r.guest()
		r.worth(g.Token, session.WorthLive)
		in, err := r.Upgrade(ctx, session.Upgrade{ID: g.Session.ID, Subject: "u1", Methods: []string{"pwd"}, Set: values("_auth_user_id", `"1"`, "secret", `"card"`)})
		r.ok(err)
		s := in.Session
		if s.ID != g.Session.ID || s.Kind != session.Authenticated || s.Subject != "u1" || !s.AuthTime.Equal(r.clock.Now()) || in.Token == g.Token {
			t.Fatalf("got %+v", s)
		}
		same(t, r.read(s.ID), map[string]string{"cart": "[1]", "_auth_user_id": `"1"`, "secret": `"card"`})

		t.Run("the old secret is a read-only guest view of the keys as they were", func(t *testing.T) {
			res := r.worth(g.Token, session.WorthReadOnly)
			if res.Replace != nil || res.Session.Kind != session.Guest || res.Session.Subject != "" || res.Session.ID == s.ID {
				t.Fatalf("got %+v", res)
			}
			same(t, r.read(res.Session.ID), map[string]string{"cart": "[1]"})
			_, err := r.Patch(ctx, session.Patch{ID: res.Session.ID, Set: values("a", "1")})
			r.fails(fault.Precondition, err)
			_, err = r.Get(ctx, res.Session.ID)
			r.fails(fault.NotFound, err) // a view is no session: nothing can be done to it by its id
		})
		t.Run("until the grace ends, then nothing", func(t *testing.T) {
			r.clock.Advance(grace - time.Millisecond)
			view := r.worth(g.Token, session.WorthReadOnly).Session.ID
			r.clock.Advance(time.Millisecond)
			r.worth(g.Token, session.WorthInvalid)
			if _, _, err := r.Read(ctx, view); err == nil {
				t.Fatal("the view outlives the grace")
			}
			r.worth(in.Token, session.WorthLive)
		})
	})
	t.Run("the view goes with the session", func(t *testing.T) {
		g := r.guest()
		in, err := r.Upgrade(ctx, session.Upgrade{ID: g.Session.ID, Subject: "u1"})
		r.ok(err)
		view := r.worth(g.Token, session.WorthReadOnly).Session.ID
		_, err = r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout"})
		r.ok(err)
		r.worth(g.Token, session.WorthEnded)
		if _, _, err := r.Read(ctx, view); err == nil {
			t.Fatal("the view outlives the session")
		}
	})
	t.Run("a guest token that logs in at once has an empty view", func(t *testing.T) {
		g := r.NewGuest(session.VisitorID{1})
		in, err := r.Upgrade(ctx, session.Upgrade{Guest: Proof(g.Session), Subject: "u1", Set: values("name", `"Ada"`)})
		r.ok(err)
		same(t, in.Session.ID, g.Session.ID)
		same(t, r.read(r.worth(g.Token, session.WorthReadOnly).Session.ID), map[string]string{})
		r.clock.Advance(grace)
		r.worth(g.Token, session.WorthInvalid)
	})
	t.Run("another subject never gets the session: it ends, and a new one begins", func(t *testing.T) {
		a := r.login("u1")
		b, err := r.Upgrade(ctx, session.Upgrade{ID: a.Session.ID, Subject: "u2", Set: values("x", "1")})
		r.ok(err)
		if b.Session.ID == a.Session.ID || b.Session.Lineage == a.Session.Lineage {
			t.Fatal("the session was passed on")
		}
		same(t, r.read(b.Session.ID), map[string]string{"x": "1"})
		r.worth(a.Token, session.WorthEnded)
		if !r.Denied(a.Session.Lineage) {
			t.Fatal("legacy is not told")
		}
	})
	t.Run("without a session a new one is made", func(t *testing.T) {
		in := r.login("u3")
		r.worth(in.Token, session.WorthLive)
		same(t, in.Session.Lineage, session.Lineage(in.Session.ID))
	})
	t.Run("a mark from the future is not believed", func(t *testing.T) {
		in, err := r.Upgrade(ctx, session.Upgrade{Subject: "u4", Born: 1 << 40})
		r.ok(err)
		same(t, in.Session.Born, r.CurrentMark())
	})
	t.Run("a login needs a subject", func(t *testing.T) {
		_, err := r.Upgrade(ctx, session.Upgrade{})
		r.fails(fault.Invalid, err)
	})
	t.Run("a value that is not JSON is refused", func(t *testing.T) {
		g := r.guest()
		_, err := r.Upgrade(ctx, session.Upgrade{ID: g.Session.ID, Subject: "u5", Set: values("a", "{")})
		r.fails(fault.Invalid, err)
		same(t, r.worth(g.Token, session.WorthLive).Session.Kind, session.Guest)
	})
}

func testStepUp(t *testing.T, r *rig) {
	ctx := t.Context()
	in, err := r.Upgrade(ctx, session.Upgrade{Subject: "u1", LegacyKey: "old", LegacyExpires: epoch.Add(time.Hour), Set: values("cart", "[1]", "_auth_user_id", "1")})
	r.ok(err)
	r.clock.Advance(time.Minute)
	up, err := r.StepUp(ctx, session.StepUp{ID: in.Session.ID, Methods: []string{"pwd", "otp"}, Level: "aal2", Set: values("pin", "1"),
		LegacyKey: "new", LegacyExpires: epoch.Add(2 * time.Hour)})
	r.ok(err)
	t.Run("it records who, when and how, and changes the secret", func(t *testing.T) {
		s := r.worth(up.Token, session.WorthLive).Session
		if s.Level != "aal2" || !s.AuthTime.Equal(r.clock.Now()) || len(s.Methods) != 2 || !s.ExpiresAt.Equal(in.Session.ExpiresAt) {
			t.Fatalf("got %+v", s)
		}
	})
	t.Run("the old secret does not see what came after, nor legacy's own keys", func(t *testing.T) {
		res := r.worth(in.Token, session.WorthReadOnly)
		same(t, r.read(res.Session.ID), map[string]string{"cart": "[1]"})
	})
	t.Run("the counterpart is replaced, and the old one proves nothing", func(t *testing.T) {
		same(t, up.Session.LegacyKey, "new")
		s, err := r.Succession(ctx, "old")
		r.ok(err)
		if !s.Known || !s.Moved || s.Open {
			t.Fatalf("got %+v", s)
		}
		x, err := r.Exchange(ctx, exchange("old", in.Session.Lineage, "u1"))
		r.ok(err)
		same(t, x.Refused, session.RefusedClosed)
	})
	t.Run("a guest has nothing to step up", func(t *testing.T) {
		_, err := r.StepUp(ctx, session.StepUp{ID: r.guest().Session.ID})
		r.fails(fault.Precondition, err)
	})
	t.Run("a value that is not JSON is refused", func(t *testing.T) {
		_, err := r.StepUp(ctx, session.StepUp{ID: in.Session.ID, Set: values("a", "{")})
		r.fails(fault.Invalid, err)
		r.worth(up.Token, session.WorthLive)
	})
}
