package app_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/fault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
)

func startRollout(t *testing.T, s *site) {
	t.Helper()
	_, err := s.control().Start(t.Context(), &controlv1.StartRequest{Name: "sessions", Author: "ada", Reason: "test"})
	must(t, err)
}

func getRollout(t *testing.T, s *site) *controlv1.Rollout {
	t.Helper()
	out, err := s.control().GetRollout(t.Context(), &controlv1.GetRolloutRequest{Name: "sessions"})
	must(t, err)
	return out.Rollout
}

func TestApp_APIs(t *testing.T) {
	s := start(t, echo("monolith"))
	t.Run("each secret opens what it is for", func(t *testing.T) {
		getRollout(t, s)
		if _, err := s.sessions("monolith").List(t.Context(), &sessionv1.ListRequest{Subject: "42"}); err != nil {
			t.Errorf("legacy at the session API: %v", err)
		}
		if _, err := s.sessions("admin.token").List(t.Context(), &sessionv1.ListRequest{Subject: "42"}); err != nil {
			t.Errorf("the admin at the session API: %v", err)
		}
		if _, err := s.sessions("bridge-1").List(t.Context(), &sessionv1.ListRequest{Subject: "42"}); fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("a secret of something else: %v", err)
		}
	})
	t.Run("a kill is in force when it answers", func(t *testing.T) {
		startRollout(t, s)
		out, err := s.control().Kill(t.Context(), &controlv1.KillRequest{Name: "sessions", Author: "ada", Reason: "test"})
		must(t, err)
		if !out.Rollout.Killed || out.Outstanding != 0 {
			t.Errorf("%v", out)
		}
	})
	t.Run("calls are timed, and made-up methods count as one", func(t *testing.T) {
		for _, name := range []string{"Nonsense", "Other"} {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.internal+"/crossfade.control.v1.ControlService/"+name, http.NoBody)
			resp, err := http.DefaultClient.Do(r)
			must(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		_, page := get(t, s.internal+"/metrics")
		if !strings.Contains(page, `crossfade_api_call_duration_seconds_count{http_response_status_code="200",rpc_method="Kill",rpc_service="ControlService"} 1`) {
			t.Error("the kill is not counted")
		}
		if strings.Contains(page, "Nonsense") || !strings.Contains(page, `rpc_method="_other"`) {
			t.Error("callers can make up series")
		}
	})
}

func TestApp_EndRuns(t *testing.T) {
	s := start(t, echo("monolith"))
	t.Run("who ends sessions by condition is on record", func(t *testing.T) {
		out, err := s.sessions("admin.token").StartEndRun(t.Context(), &sessionv1.StartEndRunRequest{
			Where: &sessionv1.EndWhere{Method: "sms"}, Author: "ada", Reason: "sms is broken"})
		must(t, err)
		changes, err := s.control().ListChanges(t.Context(), &controlv1.ListChangesRequest{Subject: "run " + out.Run.Id})
		must(t, err)
		if len(changes.Changes) != 1 || changes.Changes[0].Author != "ada" || changes.Changes[0].Detail != "started; those with method sms" {
			t.Errorf("%v", changes.Changes)
		}
	})
	t.Run("only operators do", func(t *testing.T) {
		_, err := s.sessions("monolith").StartEndRun(t.Context(), &sessionv1.StartEndRunRequest{Where: &sessionv1.EndWhere{Method: "sms"}, Reason: "x"})
		if fault.CodeOf(err) != fault.Denied {
			t.Errorf("%v", err)
		}
	})
}

func TestApp_Outbox(t *testing.T) {
	t.Run("legacy is told of an end until it has confirmed it", func(t *testing.T) {
		var calls atomic.Int32
		s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path != "/_crossfade/bridge/v1/end" || r.Host != "localhost:8080" || r.Header.Get("X-Forwarded-Proto") != "http" ||
				r.Header.Get("Crossfade-Bridge-Signature") == "" || !strings.Contains(string(body), `"subject":"42"`) {
				t.Errorf("%s to %s: %s", r.URL.Path, r.Host, body)
			}
			if calls.Add(1) == 1 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"ended":1,"unsupported":null}`)
		}))
		out, err := s.sessions("admin.token").End(t.Context(), &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Subject{Subject: "42"}, Reason: "test"})
		must(t, err)
		if out.Outstanding == 0 {
			t.Fatal("reported as done before legacy had it")
		}
		until(t, func() bool {
			_, page := get(t, s.internal+"/metrics")
			return outstanding(page) == "0"
		})
		if calls.Load() < 2 {
			t.Errorf("%d calls", calls.Load())
		}
	})
}

func TestApp_Endings(t *testing.T) {
	s := start(t, echo("monolith"))
	changes := func(t *testing.T) []*controlv1.Change {
		t.Helper()
		out, err := s.control().ListChanges(t.Context(), &controlv1.ListChangesRequest{})
		must(t, err)
		return out.Changes
	}
	in, err := s.sessions("monolith").Upgrade(t.Context(), &sessionv1.UpgradeRequest{Subject: "42"})
	must(t, err)
	id := in.Session.Id
	for _, c := range []struct {
		name string
		in   *sessionv1.EndRequest
		of   string
	}{
		{"one session's", &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Session{Session: &sessionv1.Selector{Id: id}}}, "session " + id},
		{"a lineage's", &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Session{Session: &sessionv1.Selector{Lineage: id}}}, "lineage " + id},
		{"a subject's", &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Subject{Subject: "42"}}, "subject 42"},
		{"everybody's", &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Everybody{Everybody: true}}, "everybody"},
	} {
		t.Run(c.name+" end by an operator is in the changelog", func(t *testing.T) {
			c.in.Reason, c.in.Author = "stolen", "bela"
			_, err := s.sessions("admin.token").End(t.Context(), c.in)
			must(t, err)
			until(t, func() bool {
				got := changes(t)[0]
				return got.Action == "session_end" && got.Author == "bela" && got.Reason == "stolen" && got.Subject == c.of && got.Detail != ""
			})
		})
	}
	t.Run("what legacy ends is its own affair", func(t *testing.T) {
		before := changes(t)[0].Id
		_, err := s.sessions("monolith").End(t.Context(), &sessionv1.EndRequest{Target: &sessionv1.EndRequest_Subject{Subject: "7"}, Reason: "password"})
		must(t, err)
		if after := changes(t)[0].Id; after != before {
			t.Error("a logout is in the changelog")
		}
	})
}

// outstanding is the value of the gauge on a metrics page.
func outstanding(page string) string {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "crossfade_ends_outstanding") {
			return strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
		}
	}
	return "no gauge"
}

func TestInherited(t *testing.T) {
	environment := map[string]string{"LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "public:internal"}
	getenv := func(name string) string { return environment[name] }
	t.Run("takes the supervisor's sockets by name", func(t *testing.T) {
		var taken []uintptr
		_, _, err := app.Inherited(getenv, 7, taker(&taken))
		if err != nil || len(taken) != 2 || taken[0] != 3 || taken[1] != 4 {
			t.Errorf("%v, %v", taken, err)
		}
	})
	t.Run("leaves alone what is meant for another process", func(t *testing.T) {
		var taken []uintptr
		if _, _, err := app.Inherited(getenv, 8, taker(&taken)); err != nil || len(taken) != 0 {
			t.Errorf("%v, %v", taken, err)
		}
	})
	t.Run("refuses a socket that it does not know", func(t *testing.T) {
		environment["LISTEN_FDNAMES"] = "public:metrics"
		var taken []uintptr
		_, _, err := app.Inherited(getenv, 7, taker(&taken))
		if message, hint := fault.Public(err); !strings.Contains(message, `"metrics"`) || hint == "" {
			t.Error(err)
		}
	})
}

// taker records the descriptors that are asked for.
func taker(taken *[]uintptr) func(uintptr) (net.Listener, error) {
	return func(fd uintptr) (net.Listener, error) {
		*taken = append(*taken, fd)
		return nil, nil
	}
}
