// Package e2e_test plays the whole example shop to a real browser: the Django monolith under gunicorn
// or uvicorn, the Go storefront, and the crossfade binary in front of both, over HTTPS, so that the cookies
// are the real ones.
//
// Invariant: whatever a visitor does in a scenario, after every page she has one session cookie at most,
// no script of hers can read it, and the page, the epoch and the handshake agree about who she is.
package e2e_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/examples/shop/stack"
	"crossfade.dev/crossfade/internal/testenv"
)

// password of every seeded account.
const password = "bramble-pie"

// patience is how long a condition may take to come true on a busy machine.
const patience = 30 * time.Second

// TestShop runs the scenarios one after another against one stack, since the rollout that they start and
// kill is everybody's. Each begins with a fresh browser, and with everybody on the monolith.
func TestShop(t *testing.T) {
	s := openWithProvider(t)
	s.play(t, []scenario{
		{"a guest with a cart is moved and keeps it", guestIsMoved},
		{"a customer shops through a move, a kill and its lifting with one login", wholeJourney},
		{"tabs that navigate at once during handovers are one visitor", tabsAtOnce},
		{"the back button shows an older page, and what it sends arrives", backButton},
		{"a private window is another visitor", privateWindow},
		{"a tab that polls during a login never sees a wrong user", pollDuringLogin},
		{"a form opened on the monolith is sent after the move", formBeforeMove},
		{"a form opened on the new system is sent after the kill", formBeforeKill},
		{"a login form is sent after a handover that another tab made", loginFormSurvives},
		{"a logout on one system holds on both, whatever cookies come back", logoutHolds},
		{"staff keep the admin before, during and after a kill", admin},
		{"a guest who logs in to the admin while new governs stays in it", adminFirst},
		{"a rehearsed kill sends staff back, and nobody else", rehearsal},
		{"a password change ends the other browser's session on new", passwordChange},
		{"an operator ends a customer's sessions in both systems", operatorEnds},
		{"an operator ends a subject's sessions while two browsers show them", endedWhileOpen},
		{"a legacy cookie that somebody planted changes nobody", plantedCookie},
		{"a login that another site posts back is this browser's on either system", loginElsewhere},
		{"a login that nobody here asked for is refused", plantedLogin},
		{"a guest signs up on the monolith while new governs", signUp},
		{"a magic cookie gets one browser in, whatever the rollout says", magicCookie},
		{"the browser client notices a kill and its lifting", browserClient},
		{"an edge that is killed with -9 comes back with everybody logged in", edgeDies},
		{"a kill while the bridge is down brings a customer back logged in", bridgeDown},
		{"after the finish everybody is on new, old cookies are taken over, and a kill is refused", finish},
	})
}

// scenario is one story, which leaves the shop to the next one.
type scenario struct {
	name string
	play func(*testing.T, *shop)
}

func (s *shop) play(t *testing.T, scenarios []scenario) {
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			s.begin(t)
			scenario.play(t, s)
		})
	}
}

// shop is the running stack, and what operators do with it.
type shop struct {
	*stack.Stack
	customers int // how many accounts the scenarios have used
	client    *http.Client
	provider  *provider // another site
}

// open starts a shop: what the options leave open is the tests'.
func open(t *testing.T, o stack.Options) *shop {
	t.Helper()
	certificate := testenv.SelfSigned(t)
	o.Root, o.Python, o.Dir = testenv.Root(t), testenv.Venv(t, testenv.Django52), t.TempDir()
	o.Certificate, o.Key = certificate.CertFile, certificate.KeyFile
	o.Progress = func(line string) { t.Log(line) }
	running, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Close)
	return &shop{Stack: running, client: &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificate.Pool}, DisableKeepAlives: true},
	}}
}

// begin puts everybody on the monolith, and has the logs of this scenario shown if it fails.
func (s *shop) begin(t *testing.T) {
	t.Helper()
	var rollout struct {
		Rollout struct {
			State  string
			Killed bool
		}
	}
	if err := json.Unmarshal([]byte(s.command(t, "rollout", "show", "sessions", "--json")), &rollout); err != nil {
		t.Fatal(err)
	}
	if rollout.Rollout.Killed {
		s.command(t, "kill", "lift", "sessions", "--reason", "next scenario")
	}
	if state := rollout.Rollout.State; state != "draft" && state != "armed" {
		s.command(t, "rollout", "rollback", "sessions", "--reason", "next scenario")
	}
	s.await(t, "legacy")
	s.showLogs(t)
}

// customer is an account that no other scenario uses.
func (s *shop) customer() string {
	s.customers++
	return fmt.Sprintf("customer%d", s.customers)
}

// everybodyToNew starts the rollout at 100 %.
func (s *shop) everybodyToNew(t *testing.T) {
	t.Helper()
	s.command(t, "rollout", "start", "sessions", "--reason", "begin")
	s.command(t, "rollout", "ramp", "sessions", "--to", "100", "--reason", "everybody")
	s.await(t, "new")
}

func (s *shop) kill(t *testing.T) {
	t.Helper()
	s.command(t, "kill", "sessions", "--reason", "rehearsal")
	s.await(t, "legacy")
}

func (s *shop) lift(t *testing.T) {
	t.Helper()
	s.command(t, "kill", "lift", "sessions", "--reason", "it was nothing")
	s.await(t, "new")
}

func (s *shop) command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.Command(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// await waits until a visitor who comes for the first time is governed by a system. Those who were here
// before follow at the same moment.
func (s *shop) await(t *testing.T, system string) {
	t.Helper()
	eventually(t, "new visitors are governed by "+system, func() bool { return s.governs(t) == system })
}

func (s *shop) governs(t *testing.T) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-Site", "none")
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("a new visitor gets status %d: is every process of the shop alive?", res.StatusCode)
	}
	return governed(res.Header.Get("Crossfade-Epoch"))
}

// governed is the system that an epoch names.
func governed(epoch string) string {
	switch _, letter, _ := strings.Cut(epoch, "."); letter {
	case "n":
		return "new"
	case "l":
		return "legacy"
	}
	return fmt.Sprintf("no system (epoch %q)", epoch)
}

// eventually polls a condition until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

// showLogs prints what the processes logged from here on, if the test fails.
func (s *shop) showLogs(t *testing.T) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.Dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		var begin int64
		if info, err := os.Stat(name); err == nil {
			begin = info.Size()
		}
		t.Cleanup(func() {
			if !t.Failed() {
				return
			}
			text, err := os.ReadFile(name)
			if err != nil || int64(len(text)) < begin {
				t.Logf("%s: %v", name, err)
				return
			}
			t.Logf("---- %s\n%s----", filepath.Base(name), text[begin:])
		})
	}
}
