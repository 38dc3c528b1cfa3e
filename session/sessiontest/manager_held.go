package sessiontest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/registry"
)

// exported reads all parts of an export.
func (r *rig) exported(subject string) session.Exported {
	r.t.Helper()
	var all session.Exported
	for page := ""; ; page = all.Next {
		part, err := r.Export(r.t.Context(), subject, page)
		r.ok(err)
		all.Records, all.Pending = append(all.Records, part.Records...), append(all.Pending, part.Pending...)
		if all.Mark, all.Next = part.Mark, part.Next; all.Next == "" {
			return all
		}
	}
}

func (r *rig) erased(subject string) (records int) {
	r.t.Helper()
	for page := ""; ; {
		part, err := r.Erase(r.t.Context(), subject, session.ErasedReason, page)
		r.ok(err)
		records += part.Records
		if page = part.Next; page == "" {
			return records
		}
	}
}

func testHeld(t *testing.T, r *rig) {
	dev := session.Device{Agent: "agent-of-anna"}
	guest := r.guest()
	in, err := r.Upgrade(t.Context(), session.Upgrade{ID: guest.Session.ID, Subject: "anna", Born: r.CurrentMark(), Device: dev, Methods: []string{"pwd"},
		Set: values("address", `"street-of-anna"`, "_auth_user_hash", `"hash-of-anna"`), LegacyKey: "legacy-key-of-anna", LegacyExpires: epoch.Add(time.Hour)})
	r.ok(err)
	gone := r.login("anna")
	_, err = r.End(t.Context(), session.End{ID: gone.Session.ID, Reason: "logout"})
	r.ok(err)
	other := r.login("bert")

	t.Run("an export has every record of the subject, ended ones and views too, and no secret", func(t *testing.T) {
		all := r.exported("anna")
		states := map[session.State]int{}
		views := 0
		for _, h := range all.Records {
			states[h.Session.State]++
			if h.View {
				views++
			}
			if h.Session.ID == other.Session.ID {
				t.Error("somebody else's session is in it")
			}
		}
		if len(all.Records) != 3 || states[session.StateEnded] != 1 || views != 1 {
			t.Fatalf("got %d records, %v, %d views", len(all.Records), states, views)
		}
		text, err := json.Marshal(all)
		r.ok(err)
		for _, secret := range []string{"hash-of-anna", "legacy-key-of-anna", strings.TrimPrefix(in.Token, "cf1_")} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s is in it", secret)
			}
		}
		if !strings.Contains(string(text), "agent-of-anna") {
			t.Error("the device is not in it")
		}
		_, err = r.Export(t.Context(), "", "")
		r.fails(fault.Invalid, err)
	})
	t.Run("an erasure ends the subject and leaves nothing personal in what remains", func(t *testing.T) {
		if n := r.erased("anna"); n != 3 {
			t.Errorf("%d records were erased", n)
		}
		r.worth(in.Token, session.WorthEnded)
		r.worth(other.Token, session.WorthLive)
		if all := r.exported("anna"); len(all.Records) != 0 || all.Mark == 0 || len(all.Pending) != 1 {
			t.Errorf("held after it: %+v", all)
		}
		for after := ""; ; {
			recs, next, err := r.store.Scan(t.Context(), after, 100)
			r.ok(err)
			for _, rec := range recs {
				if rec.ID == other.Session.ID {
					continue
				}
				if rec.Subject != "" || len(rec.Attributes) != 0 || !rec.Device.IsZero() || !rec.Visitor.IsZero() || len(rec.Methods) != 0 ||
					len(rec.Sealed) != 0 || len(rec.Counterpart.Sealed) != 0 {
					t.Errorf("left: %+v", rec)
				}
			}
			if after = next; after == "" {
				break
			}
		}
		if ended, err := r.EndedLineage(t.Context(), in.Session.Lineage); err != nil || !ended {
			t.Error("it is no longer known to have ended", err)
		}
	})
	t.Run("asked for again, it ends again what the subject has begun since", func(t *testing.T) {
		again := r.login("anna")
		part, err := r.Erase(t.Context(), "anna", session.ErasedReason, "")
		r.ok(err)
		same(t, part.Ended.Sessions, 1)
		r.worth(again.Token, session.WorthEnded)
	})
}

func testRetentionSweep(t *testing.T, r *rig) {
	in := r.login("u1")
	_, err := r.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("seen", "1")})
	r.ok(err)
	counted := r.registered("", registry.Rule{Name: "seen", Owner: "shop", Retention: time.Hour})
	step := func() {
		for more := true; more; {
			var err error
			more, err = r.SweepAttributes(t.Context())
			r.ok(err)
		}
	}
	step() // from now on its time counts
	r.clock.Advance(time.Hour)
	same(t, r.read(in.Session.ID), map[string]string{"cart": "[2]"})
	same(t, len(full(t, r.store, in.Session.ID).Attributes), 2)
	step()
	same(t, len(full(t, r.store, in.Session.ID).Attributes), 1)
	same(t, counted, map[string]int{"shop expired": 1})
	r.worth(in.Token, session.WorthLive)
}
