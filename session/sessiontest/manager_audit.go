package sessiontest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// heard keeps events.
type heard struct {
	mu     sync.Mutex
	events []session.Event
}

func (r *heard) Audit(e session.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// take gives what was told since the last time.
func (r *heard) take() []session.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.events
	r.events = nil
	return out
}

func testAudit(t *testing.T, r *rig) {
	var told heard
	r.AuditTo(&told)
	ctx := session.By(t.Context(), "legacy monolith")
	var everything []session.Event
	// after carries something out, and gives its one event.
	after := func(t *testing.T, want session.EventName, act func()) session.Event {
		t.Helper()
		told.take()
		act()
		got := told.take()
		everything = append(everything, got...)
		if len(got) != 1 || got[0].Name != want || !got[0].At.Equal(r.clock.Now()) {
			t.Fatalf("told %+v, want one %s", got, want)
		}
		return got[0]
	}
	g := r.guest()
	secrets := []string{g.Token}

	t.Run("a guest's first write, and no later one, nor a read", func(t *testing.T) {
		var made session.Issued
		e := after(t, session.EventCreated, func() { made = r.guest() })
		if e.Session != made.Session.ID || e.Kind != session.Guest || e.By != "" || e.Visitor != (session.VisitorID{1}) {
			t.Errorf("%+v", e)
		}
		_, err := r.Patch(ctx, session.Patch{ID: made.Session.ID, Set: values("cart", "[7]")})
		r.ok(err)
		r.worth(made.Token, session.WorthLive)
		r.read(made.Session.ID)
		if got := told.take(); len(got) != 0 {
			t.Errorf("told %+v", got)
		}
	})
	t.Run("a login says who, how and by whom", func(t *testing.T) {
		e := after(t, session.EventUpgraded, func() {
			in, err := r.Upgrade(ctx, session.Upgrade{ID: g.Session.ID, Subject: "u1", Methods: []string{"pwd"}, Born: r.CurrentMark(),
				LegacyKey: "counterpart-secret", LegacyExpires: r.clock.Now().Add(1e12)})
			r.ok(err)
			g, secrets = in, append(secrets, in.Token, "counterpart-secret")
		})
		if e.Session != g.Session.ID || e.Subject != "u1" || e.By != "legacy monolith" || !slices.Equal(e.Methods, []string{"pwd"}) {
			t.Errorf("%+v", e)
		}
		after(t, session.EventCreated, func() { r.login("u2") })
		told.take()
		_, err := r.Upgrade(ctx, session.Upgrade{ID: r.login("u3").Session.ID, Subject: "u4", Born: r.CurrentMark()})
		r.ok(err)
		var names []string
		for _, e := range told.take() {
			names = append(names, string(e.Name)+" "+e.Subject+e.Reason)
		}
		same(t, strings.Join(names, ", "), "session.created u3, session.ended subject_changed, session.created u4")
	})
	t.Run("step-up and rotation", func(t *testing.T) {
		after(t, session.EventSteppedUp, func() {
			in, err := r.StepUp(ctx, session.StepUp{ID: g.Session.ID, Methods: []string{"otp"}})
			r.ok(err)
			g, secrets = in, append(secrets, in.Token)
		})
		r.worth(g.Token, session.WorthLive)
		after(t, session.EventRotated, func() {
			in, err := r.Rotate(ctx, g.Session.ID)
			r.ok(err)
			g, secrets = in, append(secrets, in.Token)
		})
	})
	t.Run("exchange, once however often it is asked for; and a refusal", func(t *testing.T) {
		x := exchange("legacy-secret", session.Lineage{9}, "u5")
		x.Origin = "django"
		secrets = append(secrets, "legacy-secret")
		e := after(t, session.EventExchanged, func() {
			for range 2 {
				_, err := r.Exchange(ctx, x)
				r.ok(err)
			}
		})
		if e.Lineage != x.Lineage || e.Origin != "django" || e.Subject != "u5" {
			t.Errorf("%+v", e)
		}
		_, err := r.End(ctx, session.End{Lineage: x.Lineage, Reason: "over"})
		r.ok(err)
		e = after(t, session.EventRefused, func() { r.refused(x, session.RefusedEnded) })
		if e.Reason != "ended" || e.Lineage != x.Lineage {
			t.Errorf("%+v", e)
		}
	})
	t.Run("restored, and released", func(t *testing.T) {
		in := r.login("u6")
		c := r.claim(in.Session.ID)
		secrets = append(secrets, c.Key)
		after(t, session.EventReleased, func() { r.ok(r.ReleaseRestore(ctx, c)) })
		c = r.claim(in.Session.ID)
		secrets = append(secrets, c.Key)
		e := after(t, session.EventRestored, func() {
			r.ok(r.FinishRestore(ctx, c))
			r.ok(r.FinishRestore(ctx, c))
		})
		if e.Session != in.Session.ID || e.Subject != "u6" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("an end says what, why, by whom and how many", func(t *testing.T) {
		one, two := r.login("u7"), r.login("u7")
		end := func(x session.End) session.Event {
			t.Helper()
			return after(t, session.EventEnded, func() {
				_, err := r.End(session.By(ctx, "admin ada"), x)
				r.ok(err)
			})
		}
		if e := end(session.End{ID: one.Session.ID, Reason: "logout"}); e.Lineage != one.Session.Lineage || e.Reason != "logout" || e.Sessions != 1 || e.By != "admin ada" {
			t.Errorf("%+v", e)
		}
		three := r.login("u7")
		if e := end(session.End{Subject: "u7", Except: three.Session.ID, Reason: "stolen"}); e.Subject != "u7" || e.Except != three.Session.ID || e.Sessions != 1 || e.Mark == 0 {
			t.Errorf("%+v, spared %v of %v", e, three.Session.ID, two.Session.ID)
		}
		if e := end(session.End{Everybody: true, Reason: "leak"}); !e.Everybody || e.Mark == 0 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a write over a limit", func(t *testing.T) {
		in := r.login("u8")
		e := after(t, session.EventLimited, func() {
			_, err := r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: map[string]json.RawMessage{strings.Repeat("k", 500): json.RawMessage("1")}})
			r.fails(fault.Exhausted, err)
		})
		if e.Session != in.Session.ID || e.Reason != "attributes" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("what failed is not told, and nobody hears when nobody listens", func(t *testing.T) {
		in := r.login("u9")
		told.take()
		r.store.set(true)
		_, err := r.End(ctx, session.End{Lineage: in.Session.Lineage, Reason: "x"})
		r.store.set(false)
		r.fails(fault.Unavailable, err)
		r.AuditTo(nil)
		r.login("u10")
		if got := told.take(); len(got) != 0 {
			t.Errorf("told %+v", got)
		}
	})
	t.Run("no event holds a secret", func(t *testing.T) {
		text := fmt.Sprintf("%+v", everything)
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("an event holds %q", s)
			}
		}
	})
}
