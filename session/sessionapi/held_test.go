package sessionapi_test

import (
	"encoding/json"
	"testing"

	"connectrpc.com/connect"

	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

func TestAPI_Export(t *testing.T) {
	h := newHarness(t)
	s, _ := h.customer()
	h.manager.attrs[s.ID] = map[string]session.Attribute{
		"cart": {Value: json.RawMessage("[1]"), Version: 1}, "_auth_user_hash": {Value: json.RawMessage(`"secret"`), Version: 1, Private: true},
	}
	t.Run("is an operator's alone", func(t *testing.T) {
		for _, secret := range []string{shopSecret, legacySecret} {
			if _, err := h.as(secret).Export(t.Context(), &sessionv1.ExportRequest{Subject: s.Subject}); connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("got %v", err)
			}
			if _, err := h.as(secret).Erase(t.Context(), &sessionv1.EraseRequest{Subject: s.Subject, Reason: "r"}); connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("has data with its owner, and no secret", func(t *testing.T) {
		out, err := h.as(adminSecret).Export(t.Context(), &sessionv1.ExportRequest{Subject: s.Subject})
		if err != nil || len(out.GetRecords()) != 1 || out.GetMark() != 7 || out.GetNextPage() != "2" || len(out.GetPending()) != 1 {
			t.Fatal(out, err)
		}
		attrs := out.GetRecords()[0].GetAttributes()
		if c := attrs["cart"]; c.GetValue() != "[1]" || !c.GetPersonal() || c.GetOwner() != "shop" || c.GetWithheld() {
			t.Errorf("cart %v", c)
		}
		if c := attrs["_auth_user_hash"]; c.GetValue() != "" || !c.GetWithheld() {
			t.Errorf("bookkeeping %v", c)
		}
	})
}

func TestAPI_Erase(t *testing.T) {
	h := newHarness(t)
	erase := func(in *sessionv1.EraseRequest) (*sessionv1.EraseResponse, error) {
		return h.as(adminSecret).Erase(t.Context(), in)
	}
	if _, err := erase(&sessionv1.EraseRequest{Subject: "42"}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("without a reason: %v", err)
	}
	first, err := erase(&sessionv1.EraseRequest{Subject: "42", Reason: "asked by a@example.com"})
	if err != nil || first.GetEnded() != 2 || first.GetOutstanding() != 1 || first.GetErased() != 3 || first.GetNextPage() != "2" || len(first.GetKept()) != 0 {
		t.Fatal(first, err)
	}
	if h.manager.end.Subject != "42" || h.manager.end.Reason != session.ErasedReason {
		t.Errorf("what the operator wrote stays in the changelog: %+v", h.manager.end)
	}
	last, err := erase(&sessionv1.EraseRequest{Subject: "42", Reason: "asked", Page: first.GetNextPage()})
	if err != nil || last.GetErased() != 1 || last.GetNextPage() != "" || len(last.GetKept()) == 0 {
		t.Fatal(last, err)
	}
}
