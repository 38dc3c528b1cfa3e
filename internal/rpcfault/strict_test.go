package rpcfault_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"crossfade.dev/crossfade/internal/rpcfault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/control/v1/controlv1connect"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
)

// heard remembers the request that reached it.
type heard struct {
	controlv1connect.UnimplementedControlServiceHandler
	sessionv1connect.UnimplementedSessionServiceHandler
	last proto.Message
}

func (h *heard) Kill(_ context.Context, in *controlv1.KillRequest) (*controlv1.KillResponse, error) {
	h.last = in
	return &controlv1.KillResponse{Outstanding: 3}, nil
}

func (h *heard) Start(_ context.Context, in *controlv1.StartRequest) (*controlv1.StartResponse, error) {
	h.last = in
	return &controlv1.StartResponse{}, nil
}

func (h *heard) Patch(_ context.Context, in *sessionv1.PatchRequest) (*sessionv1.PatchResponse, error) {
	h.last = in
	return &sessionv1.PatchResponse{}, nil
}

// send posts JSON to a service with strict requests.
func send(t *testing.T, h *heard, procedure, contentType, body string) (status int, code, message string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(controlv1connect.NewControlServiceHandler(h, rpcfault.StrictJSON()))
	mux.Handle(sessionv1connect.NewSessionServiceHandler(h, rpcfault.StrictJSON()))
	r := httptest.NewRequest(http.MethodPost, procedure, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	var failure struct{ Code, Message string }
	if err := json.Unmarshal(raw, &failure); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return w.Code, failure.Code, failure.Message
}

const (
	kill  = controlv1connect.ControlServiceKillProcedure
	begin = controlv1connect.ControlServiceStartProcedure
	list  = controlv1connect.ControlServiceListRolloutsProcedure
	patch = sessionv1connect.SessionServicePatchProcedure
)

func TestStrictJSON(t *testing.T) {
	for name, c := range map[string]struct{ procedure, body, want string }{
		"a slip names what was meant":          {kill, `{"name":"sessions","rehersal":true}`, `unknown field "rehersal": did you mean "rehearsal"?`},
		"a stranger names what there is":       {kill, `{"name":"sessions","cohort_of_ours":1}`, `unknown field "cohort_of_ours": KillRequest has name, author, reason, rehearsal`},
		"an unknown field without a value":     {kill, `{"rehersal":null}`, `"rehersal"`},
		"a message without fields":             {list, `{"name":"x"}`, `unknown field "name": ListRolloutsRequest has no fields`},
		"inside another message":               {patch, `{"session":{"idd":"1"}}`, `unknown field "session.idd": did you mean "id"?`},
		"inside a list":                        {begin, `{"stages":[{"millionths":1},{"aproval":true}]}`, `unknown field "stages[1].aproval": did you mean "approval"?`},
		"the proto's spelling is near as well": {begin, `{"control_slice_milionths":1}`, `did you mean "control_slice_millionths"?`},
		"nothing at all":                       {kill, ``, `the body is empty: send {} at least`},
		"a value of another type":              {kill, `{"rehearsal":"yes"}`, "rehearsal"},
		"what is no JSON":                      {kill, `name=sessions`, "syntax"},
	} {
		for _, contentType := range []string{"application/json", "application/json; charset=utf-8"} {
			t.Run(name+"/"+contentType, func(t *testing.T) {
				h := &heard{}
				status, code, message := send(t, h, c.procedure, contentType, c.body)
				if status != http.StatusBadRequest || code != "invalid_argument" || !strings.Contains(message, c.want) {
					t.Errorf("%d %s %q", status, code, message)
				}
				if h.last != nil {
					t.Errorf("it was carried out: %v", h.last)
				}
			})
		}
	}
	t.Run("what is known passes, in both spellings and with nested values", func(t *testing.T) {
		h := &heard{}
		for procedure, body := range map[string]string{
			kill:  `{"name":"sessions","author":"a","reason":"r","rehearsal":true}`,
			begin: `{"stages":[{"millionths":1,"approval":true}],"control_slice_millionths":1}`,
			patch: `{"session":{"id":"1"},"set":{"values":{"any":"1"}},"ifVersion":{"other":"7"}}`,
		} {
			if status, _, message := send(t, h, procedure, "application/json", body); status != http.StatusOK {
				t.Errorf("%s: %d %s", body, status, message)
			}
		}
	})
}
