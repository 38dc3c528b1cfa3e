package sessionapi_test

import (
	"crypto/rand"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessionapi"
	"crossfade.dev/crossfade/session/sqlstore"
)

// realHarness serves the API on the real manager and an embedded database.
func realHarness(t *testing.T) (*harness, *session.Manager) {
	t.Helper()
	var m *session.Manager
	h := newHarness(t, func(h *harness) sessionapi.Manager {
		log := slog.New(slog.NewTextHandler(h.log, nil))
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(t.TempDir(), "sessions.db")}, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		if m, err = session.New(session.Config{}, store, h.ring, h.clock.Now, rand.Reader, log); err != nil {
			t.Fatal(err)
		}
		return m
	})
	return h, m
}

// edge makes the context that the edge would attach to a request with this token.
func (h *harness) edge(m *session.Manager, token, audience string) (string, session.Resolution) {
	h.t.Helper()
	res := m.Resolve(h.t.Context(), token)
	s := res.Session
	if s == nil {
		h.t.Fatalf("the token is worth nothing: %s", res.Worth)
	}
	c := contextjwt.Claims{
		Audience: audience, System: contextjwt.New, Arm: contextjwt.ArmNew, Visitor: contextjwt.ID{3}, Mark: uint64(m.CurrentMark()),
		Session: contextjwt.ID(s.ID), Lineage: contextjwt.ID(s.Lineage), Generation: s.Generation, Version: s.Version, Kind: contextjwt.Guest,
		ReadOnly: res.Worth == session.WorthReadOnly,
	}
	if s.Kind == session.Authenticated {
		c.Kind, c.Subject, c.AuthTime, c.Methods = contextjwt.Authenticated, s.Subject, s.AuthTime.Unix(), contextjwt.JoinMethods(s.Methods)
	}
	if !s.Written {
		c.Unwritten, c.GuestIssued, c.GuestExpires, c.GuestBorn = true, s.Created.Unix(), s.ExpiresAt.Unix(), uint64(s.Born)
	}
	return h.sign(c), res
}

// TestAPI_life follows one visitor from the first page to the logout, through the real manager.
func TestAPI_life(t *testing.T) {
	h, m := realHarness(t)
	ctx := t.Context()
	shop, django := h.as(shopSecret), h.as(legacySecret)
	keys := func(a *sessionv1.Attributes) []string { return slices.Sorted(maps.Keys(a.GetValues())) }

	guest := m.NewGuest(session.VisitorID{3}).Token
	unwritten, _ := h.edge(m, guest, "storefront")

	// Looking costs nothing and makes nothing.
	if got, err := shop.Get(ctx, &sessionv1.GetRequest{Session: withContext(unwritten)}); err != nil || got.GetSession().GetWritten() {
		t.Fatal(got, err)
	}
	// Two tabs put something into the cart at once: both are kept, both browsers' answers carry one token.
	var tokens []string
	for _, pair := range [][]string{{"cart", `{"12":1.0}`}, {"note", `"hi"`}} {
		got, err := shop.Patch(ctx, &sessionv1.PatchRequest{Session: withContext(unwritten), Set: set(pair...)})
		if err != nil {
			t.Fatal(err)
		}
		o := h.open(got.GetHandoff())
		if o.From.String() != got.GetSession().GetId() {
			t.Fatalf("handoff %+v", o)
		}
		tokens = append(tokens, o.Token)
	}
	if tokens[0] != tokens[1] {
		t.Fatal("the loser of the race got another token")
	}
	token := tokens[0]
	written, _ := h.edge(m, token, "storefront")
	got, err := shop.Get(ctx, &sessionv1.GetRequest{Session: withContext(written)})
	if err != nil || !slices.Equal(keys(got.GetAttributes()), []string{"cart", "note"}) || got.GetAttributes().GetValues()["cart"] != `{"12":1.0}` {
		t.Fatal(got, err)
	}

	// Django logs her in.
	h.clock.Add(5 * time.Second)
	atDjango, before := h.edge(m, token, "django")
	login, err := django.Upgrade(ctx, &sessionv1.UpgradeRequest{
		Session: withContext(atDjango), Subject: "42", Methods: []string{"pwd"}, Set: set("_auth_user_id", `"42"`, "customer", `"Ada"`),
		Counterpart: "abcdefghijklmnopqrstuvwxyz012345", CounterpartExpires: h.clock.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := h.open(login.GetHandoff())
	if o.From != before.Session.ID || o.Subject != "42" || o.LegacyKey == "" || o.LegacyExpires.IsZero() {
		t.Fatalf("handoff %+v", o)
	}

	t.Run("a request that began before the login sees and writes nothing of hers", func(t *testing.T) {
		got, err := shop.Get(ctx, &sessionv1.GetRequest{Session: withContext(written)})
		if err != nil || !slices.Equal(keys(got.GetAttributes()), []string{"cart", "note"}) || got.GetSession().GetSubject() != "" {
			t.Fatal(got, err)
		}
		_, err = shop.Patch(ctx, &sessionv1.PatchRequest{Session: withContext(written), Set: set("cart", "{}")})
		wantCode(t, err, connect.CodeFailedPrecondition)
		_, err = shop.End(ctx, &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Session{Session: withContext(written)}, Reason: "x"})
		wantCode(t, err, connect.CodeFailedPrecondition)
	})
	t.Run("what is not JSON is refused, in every call that brings values", func(t *testing.T) {
		her := withID(session.ID(o.From))
		for _, bad := range []string{"text", ""} {
			_, err := django.Patch(ctx, &sessionv1.PatchRequest{Session: her, Set: set("a", bad)})
			wantCode(t, err, connect.CodeInvalidArgument)
			_, err = django.Upgrade(ctx, &sessionv1.UpgradeRequest{Session: her, Subject: "42", Set: set("a", bad)})
			wantCode(t, err, connect.CodeInvalidArgument)
			_, err = django.StepUp(ctx, &sessionv1.StepUpRequest{Session: her, Set: set("a", bad)})
			wantCode(t, err, connect.CodeInvalidArgument)
		}
	})
	t.Run("the old cookie opens a read-only view", func(t *testing.T) {
		view, res := h.edge(m, token, "storefront")
		if res.Worth != session.WorthReadOnly {
			t.Fatal(res.Worth)
		}
		got, err := shop.Get(ctx, &sessionv1.GetRequest{Session: withContext(view)})
		if err != nil || !slices.Equal(keys(got.GetAttributes()), []string{"cart", "note"}) || got.GetSession().GetKind() != "guest" {
			t.Fatal(got, err)
		}
		_, err = shop.Patch(ctx, &sessionv1.PatchRequest{Session: withContext(view), Set: set("cart", "{}")})
		wantCode(t, err, connect.CodeFailedPrecondition)
	})

	authed, _ := h.edge(m, o.Token, "storefront")
	t.Run("she has her cart and her name, and the login's bookkeeping is Django's alone", func(t *testing.T) {
		got, err := shop.Get(ctx, &sessionv1.GetRequest{Session: withContext(authed)})
		if err != nil || !slices.Equal(keys(got.GetAttributes()), []string{"cart", "customer", "note"}) {
			t.Fatal(got, err)
		}
		got, err = django.Get(ctx, &sessionv1.GetRequest{Session: &sessionv1.Selector{Id: o.From.String()}})
		if err != nil || got.GetAttributes().GetValues()["_auth_user_id"] != `"42"` {
			t.Fatal(got, err)
		}
	})
	t.Run("a write that was overtaken is a conflict", func(t *testing.T) {
		seen := got.GetSession().GetVersion()
		for n, code := range []connect.Code{0, connect.CodeAborted} {
			_, err := shop.Patch(ctx, &sessionv1.PatchRequest{Session: withContext(authed), Set: set("cart", []string{`{"1":1}`, `{"2":1}`}[n]), IfVersion: map[string]uint64{"cart": seen}})
			if code == 0 && err != nil || code != 0 && connect.CodeOf(err) != code {
				t.Fatal(n, err)
			}
		}
	})
	t.Run("she is listed, and a handoff can be redeemed", func(t *testing.T) {
		list, err := h.as(adminSecret).List(ctx, &sessionv1.ListRequest{Subject: "42"})
		if err != nil || len(list.GetSessions()) != 1 || list.GetSessions()[0].GetId() != o.From.String() {
			t.Fatal(list, err)
		}
		redeemed, err := django.Redeem(ctx, &sessionv1.RedeemRequest{Handoff: login.GetHandoff()})
		if err != nil || redeemed.GetToken() != o.Token || redeemed.GetSession().GetSubject() != "42" {
			t.Fatal(redeemed, err)
		}
	})
	t.Run("rotation hands out another token of the same session", func(t *testing.T) {
		rotated, err := shop.Rotate(ctx, &sessionv1.RotateRequest{Session: withContext(authed)})
		if err != nil {
			t.Fatal(err)
		}
		if n := h.open(rotated.GetHandoff()); n.Token == o.Token || n.From != o.From || n.LegacyKey != o.LegacyKey {
			t.Fatalf("handoff %+v", n)
		}
	})
	t.Run("after a logout nothing of it lives, and a new guest may begin in the same request", func(t *testing.T) {
		token, _ := h.edge(m, o.Token, "django")
		ended, err := shop.End(ctx, &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Session{Session: withContext(authed)}, Reason: "logout"})
		if err != nil || ended.GetEnded() == 0 {
			t.Fatal(ended, err)
		}
		_, err = shop.Get(ctx, &sessionv1.GetRequest{Session: withContext(authed)})
		wantCode(t, err, connect.CodeFailedPrecondition)
		_, err = shop.Patch(ctx, &sessionv1.PatchRequest{Session: withContext(authed), Set: set("cart", "{}")})
		wantCode(t, err, connect.CodeFailedPrecondition)
		again, err := django.Patch(ctx, &sessionv1.PatchRequest{Session: &sessionv1.Selector{Id: session.ID{}.String(), Context: token}, Set: set("notice", `"bye"`)})
		if err != nil {
			t.Fatal(err)
		}
		n := h.open(again.GetHandoff())
		if n.From != o.From || n.Lineage == o.Lineage {
			t.Fatalf("handoff %+v", n)
		}
		if res := m.Resolve(ctx, n.Token); res.Worth != session.WorthLive || res.Session.Kind != session.Guest {
			t.Fatal(res)
		}
	})
	t.Run("a guest without a record can be ended too", func(t *testing.T) {
		fresh := m.NewGuest(session.VisitorID{3}).Token
		c, _ := h.edge(m, fresh, "storefront")
		if _, err := shop.End(ctx, &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Session{Session: withContext(c)}, Reason: "logout"}); err != nil {
			t.Fatal(err)
		}
		if res := m.Resolve(ctx, fresh); res.Worth != session.WorthEnded {
			t.Fatal(res.Worth)
		}
	})
}
