package sessionapi_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/handoff"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

func TestAPI_Patch(t *testing.T) {
	h := newHarness(t)
	s, claims := h.customer()
	patch := func(secret string, in *sessionv1.PatchRequest) (*sessionv1.PatchResponse, error) {
		h.manager.patch = nil
		return h.as(secret).Patch(t.Context(), in)
	}
	t.Run("values reach the session byte for byte", func(t *testing.T) {
		in := &sessionv1.PatchRequest{Session: withContext(h.sign(claims)), Set: set("n", `1.0`, "o", `{ "b":1 }`), Delete: []string{"cart"}, IfVersion: map[string]uint64{"n": 3}, IdleSeconds: 60}
		got, err := patch(shopSecret, in)
		if err != nil || got.GetVersion() != s.Version || got.GetHandoff() != "" {
			t.Fatal(got, err)
		}
		p := h.manager.patch
		if p.ID != s.ID || string(p.Set["n"]) != "1.0" || string(p.Set["o"]) != `{ "b":1 }` || p.Delete[0] != "cart" || p.IfVersion["n"] != 3 || p.Idle != time.Minute || p.Guest != nil || p.Writer != "storefront" {
			t.Fatalf("%+v", p)
		}
	})
	t.Run("a guest's first write brings the proof, and a handoff for the browser", func(t *testing.T) {
		c := h.newcomer()
		got, err := patch(shopSecret, &sessionv1.PatchRequest{Session: withContext(h.sign(c)), Set: set("cart", "{}")})
		if err != nil {
			t.Fatal(err)
		}
		want := session.GuestProof{ID: session.ID(c.Session), Visitor: session.VisitorID(c.Visitor), Issued: time.Unix(c.GuestIssued, 0), ExpiresAt: time.Unix(c.GuestExpires, 0), Born: 4}
		if p := h.manager.patch; *p.Guest != want {
			t.Fatalf("proof %+v, want %+v", *p.Guest, want)
		}
		if o := h.open(got.GetHandoff()); o.From != session.ID(c.Session) || o.Token != "cf1_issued" {
			t.Fatalf("handoff %+v", o)
		}
	})
	t.Run("private keys are refused to services, in every part of a patch", func(t *testing.T) {
		sel := withContext(h.sign(claims))
		for _, in := range []*sessionv1.PatchRequest{
			{Session: sel, Set: set("_auth_user_id", `"1"`)},
			{Session: sel, Delete: []string{"_auth_user_hash"}},
			{Session: sel, Set: set("_crossfade_x", `1`)},
			{Session: sel, Set: set("a", `1`), IfVersion: map[string]uint64{"_auth_user_id": 1}},
		} {
			_, err := patch(shopSecret, in)
			wantCode(t, err, connect.CodePermissionDenied)
			if h.manager.patch != nil {
				t.Fatal("reached the session")
			}
		}
		if _, err := patch(legacySecret, &sessionv1.PatchRequest{Session: withID(s.ID), Set: set("_auth_user_id", `"1"`)}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a read-only view cannot write, whoever asks", func(t *testing.T) {
		ro := contextjwt.Claims{Audience: "storefront", System: contextjwt.New, Arm: contextjwt.ArmNew, Session: contextjwt.ID{1}, Lineage: contextjwt.ID{2}, Kind: contextjwt.Guest, ReadOnly: true}
		for audience, secret := range map[string]string{"storefront": shopSecret, "django": legacySecret} {
			ro.Audience = audience
			_, err := patch(secret, &sessionv1.PatchRequest{Session: withContext(h.sign(ro)), Set: set("a", "1")})
			wantCode(t, err, connect.CodeFailedPrecondition)
		}
		ro.Audience = "django"
		_, err := h.as(legacySecret).Upgrade(t.Context(), &sessionv1.UpgradeRequest{Session: withContext(h.sign(ro)), Subject: "42"})
		wantCode(t, err, connect.CodeFailedPrecondition)
	})
	t.Run("a service whose request began before a login, a step-up or another user's login cannot write", func(t *testing.T) {
		for name, change := range map[string]func(*contextjwt.Claims){
			"login":   func(c *contextjwt.Claims) { c.Kind, c.Subject, c.AuthTime, c.Methods = contextjwt.Guest, "", 0, "" },
			"step-up": func(c *contextjwt.Claims) { c.AuthTime -= 100 },
			"subject": func(c *contextjwt.Claims) { c.Subject = "43" },
		} {
			before := claims
			change(&before)
			_, err := patch(shopSecret, &sessionv1.PatchRequest{Session: withContext(h.sign(before)), Set: set("a", "1")})
			if connect.CodeOf(err) != connect.CodeFailedPrecondition || h.manager.patch != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("legacy goes on writing in the request that logs in", func(t *testing.T) {
		before := claims
		before.Audience, before.Kind, before.Subject, before.AuthTime, before.Methods = "django", contextjwt.Guest, "", 0, ""
		if _, err := patch(legacySecret, &sessionv1.PatchRequest{Session: withContext(h.sign(before)), Set: set("a", "1")}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("with an empty selector legacy makes a new guest", func(t *testing.T) {
		got, err := patch(legacySecret, &sessionv1.PatchRequest{Set: set("notice", `"bye"`)})
		if err != nil {
			t.Fatal(err)
		}
		if o := h.open(got.GetHandoff()); !o.From.IsZero() || o.Token == "" {
			t.Fatalf("handoff %+v", o)
		}
		if p := h.manager.patch; p.Guest == nil || p.Guest.ID != p.ID || p.Guest.Born != 7 {
			t.Fatalf("%+v", p)
		}
		_, err = patch(adminSecret, &sessionv1.PatchRequest{Set: set("a", "1")})
		wantCode(t, err, connect.CodePermissionDenied)
	})
	t.Run("after a logout in the same request, the new guest's handoff names the session that the context named", func(t *testing.T) {
		c := claims
		c.Audience = "django"
		sel := &sessionv1.Selector{Id: session.ID{}.String(), Context: h.sign(c)}
		got, err := patch(legacySecret, &sessionv1.PatchRequest{Session: sel, Set: set("notice", `"bye"`)})
		if err != nil {
			t.Fatal(err)
		}
		if o := h.open(got.GetHandoff()); o.From != s.ID {
			t.Fatalf("handoff %+v", o)
		}
		if p := h.manager.patch; p.Guest == nil || p.ID == s.ID || p.Guest.Visitor != s.Visitor {
			t.Fatalf("%+v", p)
		}
		login, err := h.as(legacySecret).Upgrade(t.Context(), &sessionv1.UpgradeRequest{Session: sel, Subject: "43"})
		if err != nil || h.open(login.GetHandoff()).From != s.ID || !h.manager.upgrade.ID.IsZero() {
			t.Fatal(err, h.manager.upgrade)
		}
		_, err = patch(shopSecret, &sessionv1.PatchRequest{Session: &sessionv1.Selector{Id: sel.GetId(), Context: h.sign(claims)}, Set: set("a", "1")})
		wantCode(t, err, connect.CodePermissionDenied)
	})
	t.Run("what is out of range is refused", func(t *testing.T) {
		for _, in := range []*sessionv1.PatchRequest{
			{Session: withID(s.ID), IdleSeconds: -1},
			{Session: withID(s.ID), IdleSeconds: 1 << 62},
		} {
			_, err := patch(legacySecret, in)
			wantCode(t, err, connect.CodeInvalidArgument)
		}
	})
}

func TestAPI_Upgrade(t *testing.T) {
	h := newHarness(t)
	s, claims := h.customer()
	expires := h.clock.Now().Add(time.Hour).Unix()
	t.Run("everything that the login knows reaches the manager, and the counterpart the ticket", func(t *testing.T) {
		claims.Audience = "django"
		got, err := h.as(legacySecret).Upgrade(t.Context(), &sessionv1.UpgradeRequest{
			Session: withContext(h.sign(claims)), Subject: "42", AuthTime: 1699999999, Methods: []string{"otp"}, Level: "aal2", Born: 6,
			Set: set("_auth_user_id", `"42"`), Delete: []string{"x"}, Counterpart: "legacykey", CounterpartExpires: expires, IdleSeconds: 90,
		})
		if err != nil {
			t.Fatal(err)
		}
		u := h.manager.upgrade
		if u.ID != s.ID || u.Subject != "42" || u.AuthTime.Unix() != 1699999999 || u.Methods[0] != "otp" || u.Level != "aal2" ||
			u.Born != 6 || u.LegacyKey != "legacykey" || u.LegacyExpires.Unix() != expires || u.Idle != 90*time.Second ||
			string(u.Set["_auth_user_id"]) != `"42"` || u.Delete[0] != "x" || u.Visitor != s.Visitor {
			t.Fatalf("%+v", u)
		}
		o := h.open(got.GetHandoff())
		if o.From != s.ID || o.LegacyKey != "legacykey" || o.LegacyExpires.Unix() != expires || o.Subject != "42" {
			t.Fatalf("handoff %+v", o)
		}
	})
	t.Run("a guest without a record logs in by its proof", func(t *testing.T) {
		c := h.newcomer()
		c.Audience = "django"
		if _, err := h.as(legacySecret).Upgrade(t.Context(), &sessionv1.UpgradeRequest{Session: withContext(h.sign(c)), Subject: "42"}); err != nil {
			t.Fatal(err)
		}
		if u := h.manager.upgrade; u.Guest == nil || u.Guest.ID != session.ID(c.Session) || u.Born != 0 {
			t.Fatalf("%+v", u)
		}
	})
	t.Run("a visitor without a session gets a new one, born at the context's mark", func(t *testing.T) {
		c := contextjwt.Claims{Audience: "django", System: contextjwt.New, Arm: contextjwt.ArmNew, Visitor: contextjwt.ID{3}, Mark: 5}
		if _, err := h.as(legacySecret).Upgrade(t.Context(), &sessionv1.UpgradeRequest{Session: withContext(h.sign(c)), Subject: "42"}); err != nil {
			t.Fatal(err)
		}
		if u := h.manager.upgrade; !u.ID.IsZero() || u.Guest != nil || u.Visitor != (session.VisitorID{3}) || u.Born != 5 {
			t.Fatalf("%+v", u)
		}
	})
	t.Run("a malformed visitor is refused", func(t *testing.T) {
		_, err := h.as(legacySecret).Upgrade(t.Context(), &sessionv1.UpgradeRequest{Subject: "42", Visitor: "x"})
		wantCode(t, err, connect.CodeInvalidArgument)
	})
}

func TestAPI_End(t *testing.T) {
	h := newHarness(t)
	s, claims := h.customer()
	end := func(secret string, in *sessionv1.EndRequest) (*sessionv1.EndResponse, error) {
		h.manager.end = nil
		return h.as(secret).End(t.Context(), in)
	}
	one := func(sel *sessionv1.Selector) *sessionv1.EndRequest {
		return &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Session{Session: sel}, Reason: "logout"}
	}
	t.Run("a service ends its own session", func(t *testing.T) {
		got, err := end(shopSecret, one(withContext(h.sign(claims))))
		if err != nil || got.GetEnded() != 2 || got.GetOutstanding() != 1 || *h.manager.end != (session.End{ID: s.ID, Reason: "logout"}) {
			t.Fatal(got, err, h.manager.end)
		}
	})
	t.Run("a guest without a record ends by its lineage", func(t *testing.T) {
		c := h.newcomer()
		if _, err := end(shopSecret, one(withContext(h.sign(c)))); err != nil || h.manager.end.Lineage != session.Lineage(c.Lineage) {
			t.Fatal(err, h.manager.end)
		}
	})
	t.Run("legacy ends a lineage that lives nowhere here", func(t *testing.T) {
		in := one(&sessionv1.Selector{Lineage: session.Lineage{99}.String()})
		in.LegacyDone = true
		if _, err := end(legacySecret, in); err != nil || *h.manager.end != (session.End{Lineage: session.Lineage{99}, Reason: "logout", LegacyDone: true}) {
			t.Fatal(err, h.manager.end)
		}
	})
	t.Run("an operator is told of an id that is nobody's, and nothing is ended", func(t *testing.T) {
		_, err := end(adminSecret, one(withID(session.ID{98})))
		wantCode(t, err, connect.CodeNotFound)
		if h.manager.end != nil {
			t.Fatalf("ended %+v", h.manager.end)
		}
	})
	t.Run("legacy ends an id without a record: it may be a guest's who stored nothing", func(t *testing.T) {
		if _, err := end(legacySecret, one(withID(session.ID{98}))); err != nil || *h.manager.end != (session.End{ID: session.ID{98}, Reason: "logout"}) {
			t.Fatal(err, h.manager.end)
		}
	})
	t.Run("all of a subject but one", func(t *testing.T) {
		in := &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Subject{Subject: "42"}, ExceptSession: s.ID.String(), Reason: "password"}
		if _, err := end(adminSecret, in); err != nil || *h.manager.end != (session.End{Subject: "42", Except: s.ID, Reason: "password"}) {
			t.Fatal(err, h.manager.end)
		}
	})
	t.Run("nothing, or nonsense, is refused", func(t *testing.T) {
		for _, in := range []*sessionv1.EndRequest{
			{},
			{Reason: "x"},
			{Target: &sessionv1.EndRequest_Session{Session: withID(s.ID)}},
			{Target: &sessionv1.EndRequest_Session{}, Reason: "x"},
			{Target: &sessionv1.EndRequest_Subject{}, Reason: "x"},
			{Target: &sessionv1.EndRequest_Everybody{}, Reason: "x"},
			{Target: &sessionv1.EndRequest_Visitor{Visitor: "x"}, Reason: "x"},
			{Target: &sessionv1.EndRequest_Everybody{Everybody: true}, ExceptSession: s.ID.String(), Reason: "x"},
			{Target: &sessionv1.EndRequest_Subject{Subject: "42"}, ExceptSession: "zz", Reason: "x"},
		} {
			_, err := end(legacySecret, in)
			wantCode(t, err, connect.CodeInvalidArgument)
			if h.manager.end != nil {
				t.Fatalf("%v ended %+v", in, h.manager.end)
			}
		}
	})
}

func TestAPI_Redeem(t *testing.T) {
	h := newHarness(t)
	s, _ := h.customer()
	sealed := handoff.Seal(h.ring, handoff.Handoff{Token: "cf1_x", Lineage: s.Lineage}, h.clock.Now())
	got, err := h.as(legacySecret).Redeem(t.Context(), &sessionv1.RedeemRequest{Handoff: sealed})
	if err != nil || got.GetToken() != "cf1_x" || got.GetSession().GetId() != s.ID.String() {
		t.Fatal(got, err)
	}
	t.Run("not after it expired", func(t *testing.T) {
		h.clock.Add(handoff.Life)
		_, err := h.as(legacySecret).Redeem(t.Context(), &sessionv1.RedeemRequest{Handoff: sealed})
		wantCode(t, err, connect.CodePermissionDenied)
	})
}

func TestAPI_List(t *testing.T) {
	h := newHarness(t)
	h.customer()
	got, err := h.as(adminSecret).List(t.Context(), &sessionv1.ListRequest{Subject: "42", Page: "p"})
	if err != nil || len(got.GetSessions()) != 1 || got.GetNextPage() != "p+" {
		t.Fatal(got, err)
	}
	for _, in := range []*sessionv1.ListRequest{{}, {Subject: "42", Limit: 201}, {Subject: "42", Limit: -1}} {
		_, err := h.as(adminSecret).List(t.Context(), in)
		wantCode(t, err, connect.CodeInvalidArgument)
	}
}
