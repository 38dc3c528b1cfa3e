package command_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/endrun"
	"crossfade.dev/crossfade/session/sessionapi"
	"crossfade.dev/crossfade/session/sqlstore"
)

// serveSessions is a real session plane with its API; the manager is given for tests to fill it.
func serveSessions(t *testing.T) (*session.Manager, string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	must(t, err)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(t.TempDir(), "s.db")}, log)
	must(t, err)
	m, err := session.New(session.Config{}, store, ring, time.Now, rand.Reader, log)
	must(t, err)
	runs := endrun.New(endrun.Config{Store: store, Sessions: m, Clock: time.Now, Rand: rand.Reader, Log: log})
	runs.Begin(t.Context())
	signer, err := contextjwt.NewSigner(contextjwt.SignerConfig{Ring: ring, Clock: time.Now})
	must(t, err)
	api, err := sessionapi.New(sessionapi.Config{Manager: m, EndRuns: runs, Ring: ring, Signer: signer, Clock: time.Now, Log: log,
		Clients: []sessionapi.Client{{Name: "admin", Role: sessionapi.Admin, Secret: token}}})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle(api.Handler())
	s := httptest.NewServer(mux)
	t.Cleanup(func() { s.Close(); runs.Stop(); _ = store.Close() })
	return m, s.URL
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCommands_endByCondition(t *testing.T) {
	w := newWorld(t)
	m, url := serveSessions(t)
	w.environ["CROSSFADE_SERVER"] = url
	login := func(method string) session.Issued {
		in, err := m.Upgrade(t.Context(), session.Upgrade{Subject: "42", Methods: []string{method}, Born: m.CurrentMark()})
		must(t, err)
		return in
	}
	broken, good := login("sms"), login("pwd")
	worth := func(in session.Issued) session.Worth { return m.Resolve(context.Background(), in.Token).Worth }

	t.Run("a dry run counts, shows some and ends nothing", func(t *testing.T) {
		out := w.ok("session", "end", "--method", "sms", "--reason", "broken", "--dry-run")
		if !strings.Contains(out, "1 session would end") || !strings.Contains(out, broken.Session.ID.String()) {
			t.Errorf("%s", out)
		}
	})
	t.Run("without an answer nothing ends", func(t *testing.T) {
		r := w.run("session", "end", "--method", "sms", "--reason", "broken")
		if r.code != 1 || !strings.Contains(r.err, "not confirmed: nothing has ended") || !strings.Contains(r.err, "--yes") || worth(broken) != session.WorthLive {
			t.Errorf("%d\n%s%s", r.code, r.out, r.err)
		}
	})
	t.Run("confirmed, a run ends them, is listed, and can be cancelled", func(t *testing.T) {
		w.answer = "y\n"
		out := w.ok("session", "end", "--method", "sms", "--subject", "42", "--reason", "broken")
		id := regexp.MustCompile(`run ([0-9a-f]{16}) ends sessions with subject 42 and method sms`).FindStringSubmatch(out)
		if id == nil {
			t.Fatalf("%s", out)
		}
		for worth(broken) != session.WorthEnded {
			w.ok("session", "ends", "show", id[1]) // until go test's own deadline
		}
		if worth(good) != session.WorthLive {
			t.Error("another one ended")
		}
		if list := w.ok("session", "ends"); !strings.Contains(list, id[1]) || !strings.Contains(list, "(1 would)") {
			t.Errorf("%s", list)
		}
		if shown := w.ok("session", "ends", "show", id[1]); !strings.Contains(shown, "legacy has still to confirm") {
			t.Errorf("%s", shown)
		}
		if said := w.ok("session", "ends", "cancel", id[1], "--reason", "enough"); !strings.Contains(said, "is cancelled") {
			t.Errorf("%s", said)
		}
		if r := w.run("session", "ends", "show", "nonsense"); !strings.Contains(r.err, "crossfade session ends lists them") {
			t.Errorf("%s", r.err)
		}
	})
	t.Run("what was typed wrongly is told before anything is asked", func(t *testing.T) {
		for args, says := range map[string]string{
			"--method sms --everybody":     "do not go with",
			"--method sms --except abc":    "do not go with",
			"--issued-before yesterday":    "is no moment",
			"--attribute plan":             "is not key=JSON",
			"--dry-run":                    "go with a condition",
			"--attribute plan=trial":       "a text has quotes",
			"--address 203.0.113":          "is no address range",
			"--kind guest --method sms":    "a guest has neither",
			"--kind robot":                 "write guest or authenticated",
			"--attribute _auth_user_id=42": "legacy system's own",
		} {
			r := w.run(append(strings.Fields("session end --reason r"), strings.Fields(args)...)...)
			if r.code == 0 || !strings.Contains(r.err, says) {
				t.Errorf("%s: %d %s", args, r.code, r.err)
			}
		}
	})
}
