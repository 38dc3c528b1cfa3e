package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// under asks an address under a host, and sends a body if there is one.
func under(t *testing.T, address, host, body string) (int, string) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	must(t, err)
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

func TestApp_Outsiders(t *testing.T) {
	s := start(t, echo("monolith"))
	reload := func(old, new string) {
		s.edit(old, new)
		must(t, s.app.Reload(t.Context(), s.config()))
	}
	t.Run("a host that the site does not have is refused until the configuration has it", func(t *testing.T) {
		if status, body := under(t, s.public+"/", "m.shop.example", ""); status != http.StatusMisdirectedRequest || strings.Contains(body, "monolith") {
			t.Errorf("%d %s", status, body)
		}
		reload(`drain: 5s}`, `drain: 5s, hosts: ["*.shop.example"], max_body: 2KiB}`)
		if status, body := under(t, s.public+"/", "m.shop.example", ""); status != http.StatusOK || !strings.Contains(body, `"host":"m.shop.example"`) {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("health is asked by address, on the internal listener", func(t *testing.T) {
		if status, _ := under(t, s.internal+"/healthz", "192.0.2.1", ""); status != http.StatusOK {
			t.Errorf("%d", status)
		}
	})
	t.Run("bodies are limited, on a route by its own limit", func(t *testing.T) {
		if status, _ := under(t, s.public+"/", "localhost", strings.Repeat("x", 3<<10)); status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d", status)
		}
		reload("routes:\n", "routes:\n  - {path: /upload, max_body: 0, upstream: monolith}\n")
		for path, want := range map[string]int{"/": http.StatusRequestEntityTooLarge, "/upload": http.StatusOK} {
			if status, _ := under(t, s.public+path, "localhost", strings.Repeat("x", 3<<10)); status != want {
				t.Errorf("%s: %d, want %d", path, status, want)
			}
		}
	})
	t.Run("what the edge alone needs changes without a restart", func(t *testing.T) {
		reload("admin:", "session: {kill_deadline: 20ms}\nadmin:")
		reload("hosts:", "body_stall: 2s, hosts:")
		reload("timeout: 2s", "timeout: 2s, client_budget: 5")
	})
	t.Run("each refusal is in the metrics", func(t *testing.T) {
		_, page := get(t, s.internal+"/metrics")
		for _, want := range []string{`crossfade_events_total{crossfade_event="unknown_host"} 1`, `crossfade_events_total{crossfade_event="body_too_large"} 2`} {
			if !strings.Contains(page, want) {
				t.Errorf("lacks %s", want)
			}
		}
	})
}
