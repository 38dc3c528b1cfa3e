package sessionapi_test

import (
	"testing"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session/sessionapi"
)

func TestAPI_End_byAnOperator(t *testing.T) {
	h := newHarness(t)
	end := func(t *testing.T, secret string) sessionapi.OperatorEnd {
		t.Helper()
		h.ended = []sessionapi.OperatorEnd{{}}
		_, err := h.as(secret).End(t.Context(), &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Subject{Subject: "42"}, Reason: "stolen", Author: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		return h.ended[len(h.ended)-1]
	}
	t.Run("is heard with its author, and both systems are told who it was", func(t *testing.T) {
		if e := end(t, adminSecret); e.Author != "ada" || e.Reason != "stolen" || e.What != "subject 42" {
			t.Errorf("%+v", e)
		}
		if got := h.manager.end.Reason; got != "stolen (by ada)" {
			t.Errorf("ended with %q", got)
		}
	})
	t.Run("is not what legacy reports, whoever it names", func(t *testing.T) {
		if e := end(t, legacySecret); e.Author != "" || h.manager.end.Reason != "stolen" {
			t.Errorf("%+v, %q", e, h.manager.end.Reason)
		}
	})
	t.Run("that fails is not heard", func(t *testing.T) {
		h.ended, h.manager.fail = nil, fault.New(fault.Unavailable, "the store is down")
		_, err := h.as(adminSecret).End(t.Context(), &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Everybody{Everybody: true}, Reason: "x"})
		if err == nil || len(h.ended) != 0 {
			t.Errorf("%v, %+v", err, h.ended)
		}
	})
}
