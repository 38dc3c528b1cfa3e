package sessiontest

import (
	"encoding/json"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/registry"
)

// registered gives the rig a registry and what it counts, by "owner event".
func (r *rig) registered(policy registry.Unregistered, rules ...registry.Rule) map[string]int {
	r.t.Helper()
	counted := map[string]int{}
	reg, err := registry.New(registry.Config{Rules: rules, Unregistered: policy, Observe: func(owner, event string, n int) {
		counted[owner+" "+event] += n
	}})
	r.ok(err)
	r.UseRegistry(reg)
	return counted
}

func testRegistry(t *testing.T, r *rig) {
	t.Run("a write outside the registry is refused as a whole, in every call that writes", func(t *testing.T) {
		r.registered(registry.Refuse, registry.Rule{Name: "cart", Owner: "shop", Type: registry.Array, Writers: []string{"shop"}})
		in := r.login("u1")
		patch := session.Patch{ID: in.Session.ID, Writer: "shop", Set: values("cart", "[3]", "basket", "1")}
		_, err := r.Patch(t.Context(), patch)
		r.fails(fault.Denied, err)
		_, err = r.StepUp(t.Context(), session.StepUp{ID: in.Session.ID, Set: values("basket", "1")})
		r.fails(fault.Denied, err)
		_, err = r.Upgrade(t.Context(), session.Upgrade{Subject: "u1", Born: r.CurrentMark(), Set: values("basket", "1")})
		r.fails(fault.Denied, err)
		_, err = r.Upgrade(t.Context(), session.Upgrade{Subject: "u1", Born: r.CurrentMark(), User: values("basket", "1")})
		r.fails(fault.Denied, err)
		_, err = r.Patch(t.Context(), session.Patch{ID: in.Session.ID, Writer: "mail", Delete: []string{"cart"}})
		r.fails(fault.Denied, err)
		same(t, r.read(in.Session.ID), map[string]string{"cart": "[2]"})
		patch.Set = values("cart", "[3]", "_auth_user_id", `"1"`)
		_, err = r.Patch(t.Context(), patch)
		r.ok(err)
	})
	t.Run("what an exchange brings crosses, and is counted", func(t *testing.T) {
		counted := r.registered(registry.Refuse)
		x := exchange("registry-cross", session.Lineage{41}, "u1")
		x.Data = values("basket", "1")
		out, err := r.Exchange(t.Context(), x)
		r.ok(err)
		same(t, r.read(out.Issued.Session.ID), map[string]string{"basket": "1"})
		same(t, counted["unregistered unregistered"], 1)
	})
	t.Run("an attribute is gone when its retention is over, counted from its last write", func(t *testing.T) {
		r.registered("", registry.Rule{Name: "seen", Owner: "shop", Retention: time.Hour})
		in := r.login("u1")
		set := func(v string) {
			_, err := r.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("seen", v)})
			r.ok(err)
		}
		set("1")
		r.clock.Advance(50 * time.Minute)
		set("1") // the same value: its time begins anew all the same
		r.clock.Advance(50 * time.Minute)
		same(t, r.read(in.Session.ID), map[string]string{"cart": "[2]", "seen": "1"})
		r.clock.Advance(10 * time.Minute)
		same(t, r.read(in.Session.ID), map[string]string{"cart": "[2]"})
		_, err := r.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("other", "1"), IfVersion: map[string]uint64{"seen": 0}})
		r.ok(err)
		r.registered("")
		same(t, r.read(in.Session.ID), map[string]string{"cart": "[2]", "other": "1"})
	})
	t.Run("what was written before its retention was declared begins to count with the next write", func(t *testing.T) {
		r.registered("")
		in := r.login("u1")
		r.clock.Advance(2 * time.Hour)
		r.registered("", registry.Rule{Name: "cart", Owner: "shop", Retention: time.Hour})
		same(t, r.read(in.Session.ID), map[string]string{"cart": "[2]"})
		_, err := r.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("other", "1")})
		r.ok(err)
		r.clock.Advance(time.Hour)
		same(t, r.read(in.Session.ID), map[string]string{"other": "1"})
	})
	t.Run("a counterpart and a restore get nothing whose retention is over", func(t *testing.T) {
		r.registered("", registry.Rule{Name: "cart", Owner: "shop", Retention: time.Hour})
		in := r.login("u1")
		r.clock.Advance(time.Hour)
		c, err := r.ClaimRestore(t.Context(), in.Session.ID)
		r.ok(err)
		same(t, len(c.Attributes), 0)
	})
}

func testMerges(t *testing.T, r *rig) {
	rules := []registry.Rule{
		{Name: "cart", Owner: "shop", Type: registry.Array, Merge: registry.Union, MaxBytes: 9},
		{Name: "lang", Owner: "web", Merge: registry.KeepGuest},
		{Name: "theme", Owner: "web"},
		{Name: "tab", Owner: "web", Merge: registry.LastWriter},
	}
	want := map[string]string{"cart": "[8,9,1]", "lang": `"g"`, "theme": `"u"`, "tab": `"g"`, "guests": "1", "users": "1"}
	user := func() map[string]json.RawMessage {
		return values("cart", "[8,9]", "lang", `"u"`, "theme", `"u"`, "tab", `"u"`, "users", "1")
	}
	before := func() (session.Issued, time.Time) {
		in := r.guest()
		r.clock.Advance(time.Second)
		loggedIn := r.clock.Now()
		r.clock.Advance(time.Second)
		_, err := r.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values(
			"cart", "[1,22]", "lang", `"g"`, "theme", `"g"`, "tab", `"g"`, "guests", "1")})
		r.ok(err)
		return in, loggedIn
	}
	t.Run("at a login each attribute is merged as the registry says, in one write with it", func(t *testing.T) {
		counted := r.registered("", rules...)
		in, loggedIn := before()
		commits := r.store.count()
		out, err := r.Upgrade(t.Context(), session.Upgrade{ID: in.Session.ID, Subject: "u1", AuthTime: loggedIn, Born: r.CurrentMark(), User: user()})
		r.ok(err)
		same(t, r.read(out.Session.ID), want)
		same(t, r.store.count()-commits, 1)
		same(t, counted, map[string]int{"shop merge_dropped": 1})
	})
	t.Run("what the application sets in the login has the last word", func(t *testing.T) {
		r.registered("", rules...)
		in, loggedIn := before()
		out, err := r.Upgrade(t.Context(), session.Upgrade{ID: in.Session.ID, Subject: "u1", AuthTime: loggedIn, Born: r.CurrentMark(),
			User: user(), Set: values("lang", `"set"`), Delete: []string{"guests", "users", "cart", "theme", "tab"}})
		r.ok(err)
		same(t, r.read(out.Session.ID), map[string]string{"lang": `"set"`})
	})
	t.Run("when a login of legacy takes a guest over, too", func(t *testing.T) {
		counted := r.registered("", rules...)
		in, loggedIn := before()
		x := exchange("registry-merge", session.Lineage{42}, "u1")
		x.Data, x.Into, x.AuthTime = user(), in.Session.ID, loggedIn
		commits := r.store.count()
		out, err := r.Exchange(t.Context(), x)
		r.ok(err)
		same(t, r.read(out.Issued.Session.ID), want)
		same(t, r.store.count()-commits, 1)
		same(t, counted["shop merge_dropped"], 1)
	})
	t.Run("what a guest has beyond the limits of the session is dropped and counted, and the login stands", func(t *testing.T) {
		small := newRig(t, r.store.Store, session.Config{Limits: session.Limits{Bytes: 40}})
		counted := small.registered("", registry.Rule{Name: "big", Owner: "shop"})
		in := small.guest()
		_, err := small.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("big", `"12345678901234567890"`)})
		small.ok(err)
		out, err := small.Upgrade(t.Context(), session.Upgrade{ID: in.Session.ID, Subject: "u1", Born: small.CurrentMark(), User: values("users", `"1234567890"`)})
		small.ok(err)
		same(t, small.read(out.Session.ID), map[string]string{"users": `"1234567890"`, "cart": "[1]"})
		same(t, counted["shop merge_dropped"], 1)
	})
	t.Run("a user's data over the limit fails the login, and nothing is written", func(t *testing.T) {
		small := newRig(t, r.store.Store, session.Config{Limits: session.Limits{Bytes: 40}})
		in := small.guest()
		_, err := small.Upgrade(t.Context(), session.Upgrade{ID: in.Session.ID, Subject: "u1", Born: small.CurrentMark(),
			User: values("users", `"1234567890123456789012345678901234567890"`)})
		small.fails(fault.Exhausted, err)
		same(t, small.read(in.Session.ID), map[string]string{"cart": "[1]"})
	})
}
