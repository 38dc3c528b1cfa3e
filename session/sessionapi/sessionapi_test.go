package sessionapi_test

import (
	"bytes"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/handoff"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessionapi"
)

func TestAPI_authentication(t *testing.T) {
	h := newHarness(t)
	for name, secret := range map[string]string{"no secret": "", "a wrong secret": "wrong", "a secret's beginning": shopSecret[:16]} {
		t.Run(name+" is refused", func(t *testing.T) {
			resp, body := h.post("Get", secret, `{}`)
			if resp.StatusCode != http.StatusUnauthorized || body["code"] != "unauthenticated" {
				t.Fatalf("%d %v", resp.StatusCode, body)
			}
			if resp.Header.Get("Cache-Control") != "no-store" {
				t.Fatal("a cache may keep the refusal")
			}
			if got, told := resp.Header["Crossfade-Audience"]; told {
				t.Fatalf("a stranger is told %v", got)
			}
		})
	}
	t.Run("answers and errors are not stored by caches", func(t *testing.T) {
		s, _ := h.customer()
		for _, body := range []string{`{"session":{"id":"` + s.ID.String() + `"}}`, `{}`, `{`} {
			if resp, _ := h.post("Get", legacySecret, body); resp.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: %v", body, resp.Header)
			}
		}
	})
	t.Run("every answer names the audience of the client's contexts", func(t *testing.T) {
		for secret, want := range map[string]string{legacySecret: "django", shopSecret: "storefront"} {
			if resp, _ := h.post("Resolve", secret, `{"token":"cf1_"}`); resp.Header.Get("Crossfade-Audience") != want {
				t.Errorf("%v, want %s", resp.Header, want)
			}
		}
	})
	t.Run("a body over 1 MiB is refused", func(t *testing.T) {
		resp, body := h.post("Patch", legacySecret, `{"delete":["`+strings.Repeat("x", sessionapi.MaxRequest)+`"]}`)
		if resp.StatusCode != http.StatusTooManyRequests || body["code"] != "resource_exhausted" {
			t.Fatalf("%d %v", resp.StatusCode, body)
		}
	})
	t.Run("an internal error shows the caller nothing and the log everything", func(t *testing.T) {
		h.manager.fail = fault.Wrap(http.ErrServerClosed, fault.Internal, "cannot read the session")
		defer func() { h.manager.fail = nil }()
		_, err := h.as(legacySecret).Get(t.Context(), &sessionv1.GetRequest{Session: withID(session.ID{1})})
		wantCode(t, err, connect.CodeInternal)
		if strings.Contains(err.Error(), "Server closed") || !bytes.Contains(h.log.Bytes(), []byte("Server closed")) {
			t.Fatalf("%v\n%s", err, h.log)
		}
	})
}

func TestNew_refuses_clients(t *testing.T) {
	for name, list := range map[string][]sessionapi.Client{
		"no name":       {{Role: sessionapi.Legacy, Secret: legacySecret}},
		"a name twice":  {clients[0], {Name: "storefront", Role: sessionapi.Admin, Secret: adminSecret}},
		"a role":        {{Name: "x", Role: "root", Secret: legacySecret}},
		"a weak secret": {{Name: "x", Role: sessionapi.Legacy, Secret: "short"}},
		"one for two":   {clients[0], {Name: "x", Role: sessionapi.Admin, Secret: shopSecret}},
	} {
		h := &clock{}
		ring := newHarness(t).ring
		if _, err := sessionapi.New(sessionapi.Config{Ring: ring, Clients: list, Clock: h.Now}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAPI_roles walks every method with every role.
func TestAPI_roles(t *testing.T) {
	h := newHarness(t)
	s, claims := h.customer()
	h.manager.worth = session.Resolution{Worth: session.WorthNone}
	sealed := handoff.Seal(h.ring, handoff.Handoff{Token: "cf1_x", Lineage: s.Lineage}, h.clock.Now())
	calls := map[string]func(secret string, sel *sessionv1.Selector) error{
		"Resolve": func(k string, _ *sessionv1.Selector) error {
			_, err := h.as(k).Resolve(t.Context(), &sessionv1.ResolveRequest{Token: "x"})
			return err
		},
		"Get": func(k string, sel *sessionv1.Selector) error {
			_, err := h.as(k).Get(t.Context(), &sessionv1.GetRequest{Session: sel})
			return err
		},
		"Patch": func(k string, sel *sessionv1.Selector) error {
			_, err := h.as(k).Patch(t.Context(), &sessionv1.PatchRequest{Session: sel})
			return err
		},
		"Upgrade": func(k string, sel *sessionv1.Selector) error {
			_, err := h.as(k).Upgrade(t.Context(), &sessionv1.UpgradeRequest{Session: sel, Subject: "42"})
			return err
		},
		"StepUp": func(k string, sel *sessionv1.Selector) error {
			_, err := h.as(k).StepUp(t.Context(), &sessionv1.StepUpRequest{Session: sel})
			return err
		},
		"Rotate": func(k string, sel *sessionv1.Selector) error {
			_, err := h.as(k).Rotate(t.Context(), &sessionv1.RotateRequest{Session: sel})
			return err
		},
		"End one": func(k string, sel *sessionv1.Selector) error {
			_, err := h.as(k).End(t.Context(), &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Session{Session: sel}, Reason: "x"})
			return err
		},
		"End everybody": func(k string, _ *sessionv1.Selector) error {
			_, err := h.as(k).End(t.Context(), &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Everybody{Everybody: true}, Reason: "x"})
			return err
		},
		"List": func(k string, _ *sessionv1.Selector) error {
			_, err := h.as(k).List(t.Context(), &sessionv1.ListRequest{Subject: "42"})
			return err
		},
		"Redeem": func(k string, _ *sessionv1.Selector) error {
			_, err := h.as(k).Redeem(t.Context(), &sessionv1.RedeemRequest{Handoff: sealed})
			return err
		},
	}
	may := map[string][]string{
		"service": {"Get", "Patch", "Rotate", "End one"},
		"legacy":  slices.Collect(maps.Keys(calls)),
		"admin":   {"Get", "End one", "End everybody", "List"},
	}
	for role, secret := range map[string]string{"service": shopSecret, "legacy": legacySecret, "admin": adminSecret} {
		for name, call := range calls {
			sel := withID(s.ID)
			if role == "service" {
				sel = withContext(h.sign(claims))
			}
			err := call(secret, sel)
			if slices.Contains(may[role], name) {
				if err != nil {
					t.Errorf("%s may not %s: %v", role, name, err)
				}
			} else if connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("%s, %s: want permission_denied, got %v", role, name, err)
			}
		}
	}
}

func TestAPI_service_is_bound_to_its_context(t *testing.T) {
	h := newHarness(t)
	s, claims := h.customer()
	other := session.ID{77}
	h.manager.sessions[other] = &session.Session{ID: other, Lineage: session.Lineage{78}, Kind: session.Guest, State: session.StateLive}
	shop := h.as(shopSecret)
	get := func(sel *sessionv1.Selector) error {
		_, err := shop.Get(t.Context(), &sessionv1.GetRequest{Session: sel})
		return err
	}
	t.Run("no context", func(t *testing.T) { wantCode(t, get(nil), connect.CodePermissionDenied) })
	t.Run("an id alone", func(t *testing.T) { wantCode(t, get(withID(s.ID)), connect.CodePermissionDenied) })
	t.Run("another session's id beside the context", func(t *testing.T) {
		wantCode(t, get(&sessionv1.Selector{Id: other.String(), Context: h.sign(claims)}), connect.CodePermissionDenied)
	})
	t.Run("another lineage beside the context", func(t *testing.T) {
		wantCode(t, get(&sessionv1.Selector{Lineage: session.Lineage{78}.String(), Context: h.sign(claims)}), connect.CodePermissionDenied)
	})
	t.Run("a context made for another service", func(t *testing.T) {
		foreign := claims
		foreign.Audience = "checkout"
		wantCode(t, get(withContext(h.sign(foreign))), connect.CodeUnauthenticated)
	})
	t.Run("a forged context", func(t *testing.T) {
		wantCode(t, get(withContext("a.b.c")), connect.CodeUnauthenticated)
	})
	t.Run("a context without a session", func(t *testing.T) {
		wantCode(t, get(withContext(h.sign(contextjwt.Claims{Audience: "storefront", System: contextjwt.Legacy, Arm: contextjwt.ArmLegacy}))), connect.CodeFailedPrecondition)
	})
	t.Run("a request that takes longer than a context lives may still write", func(t *testing.T) {
		token := h.sign(claims)
		h.clock.Add(time.Minute)
		if _, err := shop.Patch(t.Context(), &sessionv1.PatchRequest{Session: withContext(token), Set: set("cart", "{}")}); err != nil {
			t.Fatal(err)
		}
		h.clock.Add(2 * time.Minute)
		wantCode(t, get(withContext(token)), connect.CodeUnauthenticated)
	})
	t.Run("it cannot end other sessions or speak for legacy", func(t *testing.T) {
		for _, in := range []*sessionv1.EndRequest{
			{Target: &sessionv1.EndRequest_Subject{Subject: "42"}, Reason: "x"},
			{Target: &sessionv1.EndRequest_Session{Session: withID(s.ID)}, Reason: "x"},
			{Target: &sessionv1.EndRequest_Session{Session: &sessionv1.Selector{Lineage: s.Lineage.String()}}, Reason: "x"},
			{Target: &sessionv1.EndRequest_Session{Session: withContext(h.sign(claims))}, Reason: "x", LegacyDone: true},
		} {
			_, err := shop.End(t.Context(), in)
			wantCode(t, err, connect.CodePermissionDenied)
		}
		if h.manager.end != nil {
			t.Fatal("something was ended")
		}
	})
}

func TestAPI_Get(t *testing.T) {
	h := newHarness(t)
	s, claims := h.customer()
	get := func(secret string, sel *sessionv1.Selector) (*sessionv1.GetResponse, error) {
		return h.as(secret).Get(t.Context(), &sessionv1.GetRequest{Session: sel})
	}
	keys := func(r *sessionv1.GetResponse) []string {
		return slices.Sorted(maps.Keys(r.GetAttributes().GetValues()))
	}

	t.Run("private keys are legacy's alone", func(t *testing.T) {
		for secret, want := range map[string][]string{
			shopSecret: {"address", "cart"}, adminSecret: {"address", "cart"}, legacySecret: {"_auth_user_id", "address", "cart"},
		} {
			sel := withID(s.ID)
			if secret == shopSecret {
				sel = withContext(h.sign(claims))
			}
			got, err := get(secret, sel)
			if err != nil || !reflect.DeepEqual(keys(got), want) {
				t.Fatalf("%s: %v, %v", secret, keys(got), err)
			}
			if got.GetAttributes().GetValues()["cart"] != `{"12":1.0}` {
				t.Fatalf("the value's bytes changed: %s", got.GetAttributes().GetValues()["cart"])
			}
		}
	})
	t.Run("no answer carries the counterpart's key", func(t *testing.T) {
		_, body := h.post("Get", legacySecret, `{"session":{"id":"`+s.ID.String()+`"}}`)
		for k, v := range body["session"].(map[string]any) {
			if v == "counterpartkey" {
				t.Fatalf("field %s has it", k)
			}
		}
	})
	t.Run("by lineage", func(t *testing.T) {
		got, err := get(legacySecret, &sessionv1.Selector{Lineage: s.Lineage.String()})
		if err != nil || got.GetSession().GetId() != s.ID.String() {
			t.Fatal(got, err)
		}
	})
	t.Run("a guest without a record has no data", func(t *testing.T) {
		got, err := get(shopSecret, withContext(h.sign(h.newcomer())))
		if err != nil || len(keys(got)) != 0 || got.GetSession().GetWritten() || got.GetSession().GetKind() != "guest" {
			t.Fatal(got, err)
		}
	})
	t.Run("who proved a guest sees nothing that came with the login since", func(t *testing.T) {
		guest := claims
		guest.Kind, guest.Subject, guest.AuthTime, guest.Methods, guest.Version = contextjwt.Guest, "", 0, "", 4
		got, err := get(shopSecret, withContext(h.sign(guest)))
		if err != nil || !reflect.DeepEqual(keys(got), []string{"cart"}) {
			t.Fatal(keys(got), err)
		}
		if m := got.GetSession(); m.GetSubject() != "" || m.GetKind() != "guest" {
			t.Fatalf("told who logged in: %v", m)
		}
	})
	t.Run("what has ended is shown to admins, without data", func(t *testing.T) {
		gone := *s
		gone.ID, gone.State, gone.EndReason = session.ID{50}, session.StateEnded, "logout"
		h.manager.sessions[gone.ID] = &gone
		got, err := get(adminSecret, withID(gone.ID))
		if err != nil || got.GetSession().GetEndReason() != "logout" || len(keys(got)) != 0 {
			t.Fatal(got, err)
		}
		_, err = get(legacySecret, withID(gone.ID))
		wantCode(t, err, connect.CodeFailedPrecondition)
	})
	t.Run("malformed selectors", func(t *testing.T) {
		for _, sel := range []*sessionv1.Selector{nil, {Id: "zz"}, {Lineage: "1"}, {Id: s.ID.String(), Lineage: s.Lineage.String()}} {
			_, err := get(legacySecret, sel)
			wantCode(t, err, connect.CodeInvalidArgument)
		}
	})
}

func TestAPI_Resolve(t *testing.T) {
	h := newHarness(t)
	s, _ := h.customer()
	verifier, err := contextjwt.NewVerifier(contextjwt.VerifierConfig{Keys: contextjwt.RingKeys(h.ring), Clock: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	resolve := func() (*sessionv1.ResolveResponse, error) {
		return h.as(legacySecret).Resolve(t.Context(), &sessionv1.ResolveRequest{Token: "cf1_x"})
	}
	t.Run("a live token comes with a context for the caller", func(t *testing.T) {
		h.manager.worth = session.Resolution{Worth: session.WorthLive, Session: s}
		got, err := resolve()
		if err != nil || got.GetWorth() != "live" {
			t.Fatal(got, err)
		}
		c, err := verifier.Verify(t.Context(), got.GetContext(), "django")
		if err != nil || c.Subject != "42" || c.Session != contextjwt.ID(s.ID) || c.Mark != 7 {
			t.Fatalf("%+v, %v", c, err)
		}
	})
	t.Run("so does a guest token without a record", func(t *testing.T) {
		h.manager.worth = session.Resolution{Worth: session.WorthLive, Session: h.manager.NewGuest(session.VisitorID{}).Session}
		got, err := resolve()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := verifier.Verify(t.Context(), got.GetContext(), "django"); err != nil || !c.Unwritten || c.GuestExpires == 0 || c.GuestBorn != 7 {
			t.Fatalf("%+v, %v", c, err)
		}
	})
	t.Run("others do not", func(t *testing.T) {
		for worth, name := range map[session.Worth]string{session.WorthReadOnly: "read_only", session.WorthEnded: "ended", session.WorthInvalid: "invalid", session.WorthNone: "none"} {
			h.manager.worth = session.Resolution{Worth: worth}
			if got, err := resolve(); err != nil || got.GetWorth() != name || got.GetContext() != "" {
				t.Fatal(got, err)
			}
		}
	})
	t.Run("a store that cannot say is an error, not an answer", func(t *testing.T) {
		h.manager.worth = session.Resolution{Worth: session.WorthUnknown}
		_, err := resolve()
		wantCode(t, err, connect.CodeUnavailable)
	})
}
