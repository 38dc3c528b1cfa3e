package sessiontest

import (
	"net/netip"
	"testing"

	"crossfade.dev/crossfade/session"
)

func testDevice(t *testing.T, r *rig) {
	ctx := t.Context()
	phone := session.NewDevice("Phone/1", netip.MustParseAddr("203.0.113.9"))
	laptop := session.NewDevice("Laptop/2", netip.MustParseAddr("2001:db8::9"))
	known := func(id session.ID) session.Device {
		t.Helper()
		s, err := r.Get(ctx, id)
		r.ok(err)
		return s.Device
	}
	p, err := r.Patch(ctx, session.Patch{Guest: Proof(r.NewGuest(session.VisitorID{1}).Session), Set: values("cart", "[1]"), Device: phone})
	r.ok(err)
	id := p.Session.ID

	t.Run("a guest's first write says what the session was begun on", func(t *testing.T) { same(t, known(id), phone) })
	t.Run("a later patch does not change it", func(t *testing.T) {
		_, err := r.Patch(ctx, session.Patch{ID: id, Set: values("cart", "[2]"), Device: laptop})
		r.ok(err)
		same(t, known(id), phone)
	})
	t.Run("a login does, and one that says nothing leaves it", func(t *testing.T) {
		_, err := r.Upgrade(ctx, session.Upgrade{ID: id, Subject: "u1", Born: r.CurrentMark(), Device: laptop})
		r.ok(err)
		same(t, known(id), laptop)
		_, err = r.Upgrade(ctx, session.Upgrade{ID: id, Subject: "u1", Born: r.CurrentMark()})
		r.ok(err)
		same(t, known(id), laptop)
	})
}
