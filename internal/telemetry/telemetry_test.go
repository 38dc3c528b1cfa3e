package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/telemetry"
)

func setUp(t testing.TB) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.New("test")
	if err != nil {
		t.Fatal(err)
	}
	return tel
}

func scrape(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, _ := io.ReadAll(w.Body)
	return string(body)
}

func TestMetrics(t *testing.T) {
	tel := setUp(t)
	m := tel.Metrics
	m.Served(telemetry.Request{Method: "GET", Scheme: "https", Status: 200, Route: "/cart/", System: "new", Arm: "new"}, 30*time.Millisecond)
	m.Served(telemetry.Request{Method: "BREW", Scheme: "https", Status: 999}, time.Millisecond)
	m.Entry("new", "bucket")
	m.Handover("exchanged", "governed_by_new")
	m.Operation("exchange", "done", 3*time.Millisecond)
	m.CookieConflict("duplicate_cookie")
	m.LostLogin("new")
	m.Event("forged_header")
	m.Exposure("legacy", true)
	m.Step(3, "new")
	m.Undeclared("theme")
	m.BridgeCall("exchange", "ok", 3*time.Millisecond)
	m.BridgeShed("restore", "budget")
	m.LeftBehind("cart_object", "not_json")
	m.ContextRefused("expired")
	m.Call("SessionService", "Patch", 200, time.Millisecond)
	if err := m.Gauge("crossfade.snapshot.version", "{version}", "Version of the snapshot in use.", func() float64 { return 7 }); err != nil {
		t.Fatal(err)
	}
	page := scrape(t, tel)
	for _, want := range []string{
		`http_server_request_duration_seconds_bucket{crossfade_arm="new",crossfade_system="new",http_request_method="GET",http_response_status_code="200",http_route="/cart/",url_scheme="https",le="0.05"} 1`,
		`http_request_method="_OTHER",http_response_status_code="_other",url_scheme="https"`,
		`crossfade_visitors_total{crossfade_reason="bucket",crossfade_system="new"} 1`,
		`crossfade_handovers_total{crossfade_outcome="exchanged",crossfade_reason="governed_by_new"} 1`,
		`crossfade_handover_operation_duration_seconds_count{crossfade_operation="exchange",crossfade_outcome="done"} 1`,
		`crossfade_cookie_conflicts_total{crossfade_kind="duplicate_cookie"} 1`,
		`crossfade_logins_lost_total{crossfade_arm="new"} 1`,
		`crossfade_events_total{crossfade_event="forged_header"} 1`,
		`crossfade_exposures_total{crossfade_arm="legacy",crossfade_confirmed="true"} 1`,
		`crossfade_steps_total{crossfade_arm="new",crossfade_step="3"} 1`,
		`crossfade_mapping_undeclared_total{crossfade_key="theme"} 1`,
		`crossfade_bridge_call_duration_seconds_count{crossfade_method="exchange",crossfade_outcome="ok"} 1`,
		`crossfade_bridge_shed_total{crossfade_method="restore",crossfade_reason="budget"} 1`,
		`crossfade_bridge_left_behind_total{crossfade_key="cart_object",crossfade_reason="not_json"} 1`,
		`crossfade_contexts_refused_total{crossfade_reason="expired"} 1`,
		`crossfade_api_call_duration_seconds_count{http_response_status_code="200",rpc_method="Patch",rpc_service="SessionService"} 1`,
		`crossfade_snapshot_version 7`,
		`service_name="crossfade"`, `go_goroutines`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestMetrics_Bounds(t *testing.T) {
	tel := setUp(t)
	t.Run("labels that never end are counted together", func(t *testing.T) {
		for i := range 3000 {
			tel.Metrics.LeftBehind(fmt.Sprintf("user_%d", i), "not_json")
		}
		page := scrape(t, tel)
		if n := strings.Count(page, "crossfade_bridge_left_behind_total{"); n > 1001 {
			t.Errorf("%d series", n)
		}
		if !strings.Contains(page, `crossfade_bridge_left_behind_total{crossfade_key="_other",crossfade_reason="_other"} 2000`) {
			t.Error("the rest is not counted as _other")
		}
	})
	t.Run("concurrent first uses count once each", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 100 {
					tel.Metrics.Event(fmt.Sprintf("event-%d", i%10))
				}
			})
		}
		wg.Wait()
		if page := scrape(t, tel); strings.Count(page, `crossfade_events_total{crossfade_event="event-`) != 10 || !strings.Contains(page, `{crossfade_event="event-3"} 80`) {
			t.Error("counts were lost or split")
		}
	})
	t.Run("a known series costs no memory", func(t *testing.T) {
		r := telemetry.Request{Method: "GET", Scheme: "https", Status: 200, Route: "/", System: "new", Arm: "new"}
		tel.Metrics.Served(r, time.Millisecond)
		if n := testing.AllocsPerRun(1000, func() { tel.Metrics.Served(r, time.Millisecond) }); n > 0 {
			t.Errorf("%v allocations a request", n)
		}
	})
}

func TestLogger(t *testing.T) {
	const hunter = "hunter2"
	for _, format := range []string{"text", "json"} {
		t.Run(format+" shows no secret", func(t *testing.T) {
			var b bytes.Buffer
			log, err := telemetry.NewLogger(&b, slog.LevelDebug, format)
			if err != nil {
				t.Fatal(err)
			}
			log.Info("x", "who", telemetry.Secret(hunter), "Cookie", hunter, "token", hunter)
			log.With("authorization", hunter).WithGroup("g").Info("y", "password", hunter)
			if out := b.String(); strings.Contains(out, hunter) || strings.Count(out, "[redacted]") != 5 {
				t.Error(out)
			}
		})
	}
	t.Run("a secret hides from every way of printing", func(t *testing.T) {
		s := telemetry.Secret(hunter)
		encoded, err := json.Marshal(map[string]any{"s": s})
		out := fmt.Sprintf("%s %v %q %#v %x %+v", s, s, s, s, s, struct{ S telemetry.Secret }{s}) + string(encoded)
		if err != nil || strings.Contains(out, hunter) || strings.Contains(out, "68756e74657232") {
			t.Error(out, err)
		}
	})
}

func BenchmarkMetrics_Served(b *testing.B) {
	m := setUp(b).Metrics
	r := telemetry.Request{Method: "GET", Scheme: "https", Status: 200, Route: "/", System: "new", Arm: "new"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Served(r, time.Millisecond)
		}
	})
}

func BenchmarkMetrics_Event(b *testing.B) {
	m := setUp(b).Metrics
	b.ReportAllocs()
	for b.Loop() {
		m.Event("forged_header")
	}
}
