package sessiontest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

func testGuest(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("a guest costs no write until there is something to store", func(t *testing.T) {
		g := r.NewGuest(session.VisitorID{1})
		for range 3 {
			res := r.worth(g.Token, session.WorthLive)
			if res.Session.Written || res.Session.ID != g.Session.ID || res.Session.Kind != session.Guest {
				t.Fatalf("got %+v", res.Session)
			}
		}
		if _, err := r.Get(ctx, g.Session.ID); fault.CodeOf(err) != fault.NotFound {
			t.Fatalf("reading made a record: %v", err)
		}
		p, err := r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Delete: []string{"x"}})
		r.ok(err)
		if p.Replace != nil || p.Session.Written || r.store.count() != 0 {
			t.Fatal("an empty patch wrote something")
		}
	})
	t.Run("the first write makes the record under the same id and replaces the token", func(t *testing.T) {
		g := r.NewGuest(session.VisitorID{1})
		r.worth(g.Token, session.WorthLive)
		p, err := r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Set: values("cart", "[1]")})
		r.ok(err)
		if p.Replace == nil || p.Session.ID != g.Session.ID || p.Session.Lineage != g.Session.Lineage || p.Session.Visitor != g.Session.Visitor {
			t.Fatalf("got %+v", p)
		}
		same(t, r.read(g.Session.ID), map[string]string{"cart": "[1]"})

		t.Run("losers of the race get the winner's token", func(t *testing.T) {
			res := r.worth(g.Token, session.WorthLive)
			if res.Replace == nil || res.Replace.Token != p.Replace.Token || !res.Session.Written {
				t.Fatalf("got %+v", res)
			}
			again, err := r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Set: values("seen", "1")})
			r.ok(err)
			if again.Replace == nil || again.Replace.Token != p.Replace.Token {
				t.Fatal("another token")
			}
			same(t, r.read(g.Session.ID), map[string]string{"cart": "[1]", "seen": "1"})
		})
		t.Run("until 30 s after the successor was first presented; then it is spent", func(t *testing.T) {
			r.worth(p.Replace.Token, session.WorthLive)
			r.clock.Advance(grace - time.Millisecond)
			r.worth(g.Token, session.WorthLive)
			r.clock.Advance(time.Millisecond)
			r.worth(g.Token, session.WorthInvalid)
			r.worth(p.Replace.Token, session.WorthLive)
			_, err := r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Set: values("seen", "2")})
			r.fails(fault.Precondition, err)
		})
	})
	t.Run("forged, altered and expired guest tokens open nothing", func(t *testing.T) {
		g := r.NewGuest(session.VisitorID{})
		other := []byte(g.Token)
		other[20] ^= 1
		r.worth(string(other), session.WorthInvalid)
		r.clock.Advance(31 * 24 * time.Hour)
		r.worth(g.Token, session.WorthExpired)
		_, err := r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Set: values("a", "1")})
		r.fails(fault.Precondition, err)
	})
	t.Run("ending a guest that stored nothing holds", func(t *testing.T) {
		g := r.NewGuest(session.VisitorID{})
		r.worth(g.Token, session.WorthLive)
		_, err := r.End(ctx, session.End{ID: g.Session.ID, Reason: "logout", LegacyDone: true})
		r.ok(err)
		r.worth(g.Token, session.WorthEnded)
		_, err = r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Set: values("a", "1")})
		r.fails(fault.Precondition, err)
	})
}

func testPatch(t *testing.T, r *rig) {
	ctx := t.Context()
	g := r.guest()
	id := g.Session.ID
	t.Run("keys are written one by one, values byte for byte", func(t *testing.T) {
		p, err := r.Patch(ctx, session.Patch{ID: id, Set: values("n", "1.0", "s", `"é"`), Delete: []string{"cart"}})
		r.ok(err)
		same(t, r.read(id), map[string]string{"n": "1.0", "s": `"é"`})
		same(t, p.Session.Version, uint64(2))
	})
	t.Run("a patch that changes nothing writes nothing", func(t *testing.T) {
		before := r.store.count()
		p, err := r.Patch(ctx, session.Patch{ID: id, Set: values("n", "1.0"), Delete: []string{"absent"}})
		r.ok(err)
		if r.store.count() != before || p.Session.Version != 2 {
			t.Fatal("it wrote")
		}
	})
	t.Run("a key that changed since is refused, and the whole patch with it", func(t *testing.T) {
		_, err := r.Patch(ctx, session.Patch{ID: id, Set: values("n", "2", "m", "3"), IfVersion: map[string]uint64{"n": 1}})
		r.fails(fault.Conflict, err)
		_, err = r.Patch(ctx, session.Patch{ID: id, Set: values("n", "2"), IfVersion: map[string]uint64{"n": 0}})
		r.fails(fault.Conflict, err)
		_, err = r.Patch(ctx, session.Patch{ID: id, Set: values("n", "2"), IfVersion: map[string]uint64{"n": 2, "new": 0}})
		r.ok(err)
		same(t, r.read(id)["n"], "2")
	})
	t.Run("by lineage it reaches the live generation", func(t *testing.T) {
		_, err := r.Patch(ctx, session.Patch{Lineage: g.Session.Lineage, Set: values("l", "1")})
		r.ok(err)
		same(t, r.read(id)["l"], "1")
	})
	t.Run("private keys are marked", func(t *testing.T) {
		_, err := r.Patch(ctx, session.Patch{ID: id, Set: values("_auth_user_id", `"1"`, "_crossfade_x", "1", "_authentic", "1")})
		r.ok(err)
		_, attrs, err := r.Read(ctx, id)
		r.ok(err)
		if !attrs["_auth_user_id"].Private || !attrs["_crossfade_x"].Private || attrs["_authentic"].Private {
			t.Fatalf("got %+v", attrs)
		}
	})
	t.Run("nothing makes a session that is not there", func(t *testing.T) {
		_, err := r.Patch(ctx, session.Patch{ID: session.ID{9}, Set: values("a", "1")})
		r.fails(fault.NotFound, err)
		_, err = r.Patch(ctx, session.Patch{Set: values("a", "1")})
		r.fails(fault.Invalid, err)
	})
}

func testLimits(t *testing.T, r *rig) {
	ctx := t.Context()
	id := r.guest().Session.ID
	for name, c := range map[string]struct {
		set  map[string]string
		code fault.Code
	}{
		"a value that is not JSON":  {map[string]string{"a": "{"}, fault.Invalid},
		"an empty value":            {map[string]string{"a": ""}, fault.Invalid},
		"an empty key":              {map[string]string{"": "1"}, fault.Invalid},
		"a key that is not UTF-8":   {map[string]string{"\xff": "1"}, fault.Invalid},
		"a key that is too long":    {map[string]string{strings.Repeat("k", 129): "1"}, fault.Exhausted},
		"more than fits altogether": {map[string]string{"a": `"` + strings.Repeat("x", 64<<10) + `"`}, fault.Exhausted},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			set := values()
			for k, v := range c.set {
				set[k] = []byte(v)
			}
			_, err := r.Patch(ctx, session.Patch{ID: id, Set: set})
			r.fails(c.code, err)
			if _, hint := fault.Public(err); c.code == fault.Exhausted && hint == "" {
				t.Fatal("no hint")
			}
			same(t, r.read(id), map[string]string{"cart": "[1]"})
		})
	}
	t.Run("too many keys are refused", func(t *testing.T) {
		set := values()
		for i := range 128 {
			set[fmt.Sprint(i)] = []byte("1")
		}
		_, err := r.Patch(ctx, session.Patch{ID: id, Set: set})
		r.fails(fault.Exhausted, err)
	})
}

func testExpiry(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("idle: activity keeps it alive without a write per request", func(t *testing.T) {
		g := r.guest()
		p, err := r.Patch(ctx, session.Patch{ID: g.Session.ID, Idle: 10 * time.Minute})
		r.ok(err)
		same(t, p.Session.IdleAt, r.clock.Now().Add(10*time.Minute))
		for range 10 {
			r.clock.Advance(6 * time.Minute)
			r.worth(g.Token, session.WorthLive)
		}
		r.settle()
		s, err := r.Get(ctx, g.Session.ID)
		r.ok(err)
		same(t, s.LastSeen, r.clock.Now())
		same(t, s.Version, p.Session.Version)
		r.clock.Advance(10 * time.Minute)
		r.worth(g.Token, session.WorthExpired)
		_, err = r.Patch(ctx, session.Patch{ID: g.Session.ID, Set: values("a", "1")})
		r.fails(fault.Precondition, err)
	})
	t.Run("absolute: no activity moves it", func(t *testing.T) {
		in := r.login("u1")
		for range 29 {
			r.clock.Advance(24 * time.Hour)
			r.worth(in.Token, session.WorthLive)
		}
		r.clock.Advance(24 * time.Hour)
		r.worth(in.Token, session.WorthExpired)
	})
	t.Run("an activity that waits to be written counts already", func(t *testing.T) {
		g := r.guest()
		_, err := r.Patch(ctx, session.Patch{ID: g.Session.ID, Idle: 10 * time.Minute})
		r.ok(err)
		r.clock.Advance(9 * time.Minute)
		r.worth(g.Token, session.WorthLive)
		r.clock.Advance(9 * time.Minute)
		if _, _, err := r.Read(ctx, g.Session.ID); err != nil {
			t.Fatal(err)
		}
	})
}
