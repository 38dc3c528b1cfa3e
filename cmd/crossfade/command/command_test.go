package command_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"crossfade.dev/crossfade/cmd/crossfade/command"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/rpcfault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/control/v1/controlv1connect"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
)

const token = "0123456789abcdef0123456789abcdef"

// world is a command line in an empty folder, and a server that records what it is asked.
type world struct {
	t       *testing.T
	dir     string
	environ map[string]string
	server  *server
	served  *config.Config
	failure error
	answer  string // to a question
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), server: newServer(t)}
	t.Chdir(w.dir)
	w.environ = map[string]string{"CROSSFADE_SERVER": w.server.http.URL, "CROSSFADE_TOKEN": token, "CROSSFADE_AUTHOR": "ada"}
	return w
}

type result struct {
	code     int
	out, err string
}

func (w *world) run(args ...string) result {
	w.t.Helper()
	var out, stderr bytes.Buffer
	code := command.Run(w.t.Context(), command.Env{
		In: strings.NewReader(w.answer), Out: &out, Err: &stderr, Getenv: func(name string) string { return w.environ[name] },
		User: func() string { return "osuser" }, Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
		Rand: rand.Reader, HTTP: command.Direct(), Version: "1.2.3",
		Serve: func(_ context.Context, c *config.Config, _ string) error { w.served = c; return w.failure },
	}, args)
	return result{code, out.String(), stderr.String()}
}

// ok runs a command that must work.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("crossfade %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// server answers every call with what a test put there, and keeps the request as JSON.
type server struct {
	controlv1connect.UnimplementedControlServiceHandler
	sessionv1connect.UnimplementedSessionServiceHandler
	http    *httptest.Server
	asked   map[string]string
	rollout *controlv1.Rollout
	session *sessionv1.Session // that Get answers with
	fails   error
}

func newServer(t *testing.T) *server {
	s := &server{asked: map[string]string{}, session: &sessionv1.Session{Id: strings.Repeat("a1", 16), Kind: "guest", State: "live"}, rollout: &controlv1.Rollout{
		Name: "sessions", State: "running", Epoch: 3, TreatmentMillionths: 2500, ControlSliceMillionths: 100_000, Stage: 0, Version: 17,
		Stages: []*controlv1.Stage{{Millionths: 2500}, {Millionths: 250_000, Approval: true}, {Millionths: 1_000_000}},
		Next:   []string{"crossfade rollout ramp sessions"}, ChangedBy: "ada", ChangedAt: 1_799_990_000,
	}}
	record := connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			if r.Header().Get("Authorization") != "Bearer "+token {
				return nil, rpcfault.ToConnect(fault.New(fault.Unauthenticated, "the admin token is missing or wrong"))
			}
			text, _ := protojson.Marshal(r.Any().(proto.Message))
			var compact bytes.Buffer
			_ = json.Compact(&compact, text)
			s.asked[r.Spec().Procedure[strings.LastIndexByte(r.Spec().Procedure, '/')+1:]] = compact.String()
			if s.fails != nil {
				return nil, rpcfault.ToConnect(s.fails)
			}
			return next(ctx, r)
		}
	}))
	mux := http.NewServeMux()
	mux.Handle(controlv1connect.NewControlServiceHandler(s, record))
	mux.Handle(sessionv1connect.NewSessionServiceHandler(s, record))
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.http.Close)
	return s
}

func (s *server) ListRollouts(context.Context, *controlv1.ListRolloutsRequest) (*controlv1.ListRolloutsResponse, error) {
	return &controlv1.ListRolloutsResponse{Rollouts: []*controlv1.Rollout{s.rollout}}, nil
}

func (s *server) GetRollout(context.Context, *controlv1.GetRolloutRequest) (*controlv1.GetRolloutResponse, error) {
	return &controlv1.GetRolloutResponse{Rollout: s.rollout}, nil
}

func (s *server) Start(context.Context, *controlv1.StartRequest) (*controlv1.StartResponse, error) {
	return &controlv1.StartResponse{Rollout: s.rollout}, nil
}

func (s *server) Ramp(context.Context, *controlv1.RampRequest) (*controlv1.RampResponse, error) {
	return &controlv1.RampResponse{Rollout: s.rollout}, nil
}

func (s *server) Approve(context.Context, *controlv1.ApproveRequest) (*controlv1.ApproveResponse, error) {
	return &controlv1.ApproveResponse{Rollout: s.rollout}, nil
}

func (s *server) Hold(context.Context, *controlv1.HoldRequest) (*controlv1.HoldResponse, error) {
	return &controlv1.HoldResponse{Rollout: s.rollout}, nil
}

func (s *server) RollBack(context.Context, *controlv1.RollBackRequest) (*controlv1.RollBackResponse, error) {
	return &controlv1.RollBackResponse{Rollout: s.rollout}, nil
}

func (s *server) Finish(context.Context, *controlv1.FinishRequest) (*controlv1.FinishResponse, error) {
	return &controlv1.FinishResponse{Rollout: s.rollout, Removable: []string{"first: wait", "django.contrib.sessions", "keep: the bridge"}}, nil
}

func (s *server) Kill(context.Context, *controlv1.KillRequest) (*controlv1.KillResponse, error) {
	killed := proto.CloneOf(s.rollout)
	killed.Killed, killed.KillScope = true, "everybody"
	return &controlv1.KillResponse{Rollout: killed, InForceMicros: 1500}, nil
}

func (s *server) Lift(context.Context, *controlv1.LiftRequest) (*controlv1.LiftResponse, error) {
	return &controlv1.LiftResponse{Rollout: s.rollout}, nil
}

func (s *server) ListChanges(context.Context, *controlv1.ListChangesRequest) (*controlv1.ListChangesResponse, error) {
	return &controlv1.ListChangesResponse{Changes: []*controlv1.Change{
		{Id: 9, At: 1_799_990_000, Author: "ada", Action: "ramp", Subject: "sessions", Detail: "0.25% to 1%", Reason: "quiet\n\x1b[2Jfake line", Epoch: 3},
	}}, nil
}

func (s *server) IssueMagic(context.Context, *controlv1.IssueMagicRequest) (*controlv1.IssueMagicResponse, error) {
	return &controlv1.IssueMagicResponse{Cookie: "__Host-cf_magic=abc", Magic: &controlv1.Magic{Id: "m1", For: "qa", ExpiresAt: 1_800_007_200}}, nil
}

func (s *server) RevokeMagic(context.Context, *controlv1.RevokeMagicRequest) (*controlv1.RevokeMagicResponse, error) {
	return &controlv1.RevokeMagicResponse{Magic: &controlv1.Magic{Id: "m1", Revoked: true}}, nil
}

func (s *server) ListMagic(context.Context, *controlv1.ListMagicRequest) (*controlv1.ListMagicResponse, error) {
	return &controlv1.ListMagicResponse{Magic: []*controlv1.Magic{{Id: "m1", For: "qa", Author: "ada", ExpiresAt: 1_799_999_000}}}, nil
}

func (s *server) List(_ context.Context, r *sessionv1.ListRequest) (*sessionv1.ListResponse, error) {
	if r.Subject == "ada" {
		return &sessionv1.ListResponse{}, nil
	}
	return &sessionv1.ListResponse{Sessions: []*sessionv1.Session{{Id: strings.Repeat("a1", 16), Kind: "authenticated", State: "ended", EndReason: "logout"}}}, nil
}

func (s *server) Get(context.Context, *sessionv1.GetRequest) (*sessionv1.GetResponse, error) {
	return &sessionv1.GetResponse{Session: s.session,
		Attributes: &sessionv1.Attributes{Values: map[string]string{"cart": `{"12":1}`}}}, nil
}

func (s *server) End(context.Context, *sessionv1.EndRequest) (*sessionv1.EndResponse, error) {
	return &sessionv1.EndResponse{Ended: 2, Outstanding: 1}, nil
}

func TestCommands(t *testing.T) {
	for _, c := range []struct{ command, procedure, asks, says string }{
		{"rollout list", "ListRollouts", `{}`, "sessions  running  0.25%"},
		{"rollout show sessions", "GetRollout", `{"name":"sessions"}`, "25%    needs approval"},
		{"rollout start sessions --reason go --stages 0.25%,5!,100", "Start", `{"name":"sessions","author":"ada","reason":"go","stages":[{"millionths":2500},{"millionths":50000,"approval":true},{"millionths":1000000}]}`, "0.25% treated, epoch 3"},
		{"rollout ramp sessions --reason quiet", "Ramp", `{"name":"sessions","author":"ada","reason":"quiet"}`, "next:\n  crossfade rollout ramp sessions"},
		{"rollout ramp sessions --to 12.5 --author bela --reason r", "Ramp", `{"name":"sessions","author":"bela","reason":"r","toMillionths":125000}`, "sessions: running"},
		{"rollout approve sessions --reason r", "Approve", `{"name":"sessions","author":"ada","reason":"r"}`, "sessions: running"},
		{"rollout hold sessions --reason r", "Hold", `{"name":"sessions","author":"ada","reason":"r"}`, "sessions: running"},
		{"rollout rollback sessions --reason r", "RollBack", `{"name":"sessions","author":"ada","reason":"r"}`, "sessions: running"},
		{"rollout finish sessions --dry-run", "Finish", `{"name":"sessions","author":"ada","dryRun":true}`, "nothing was changed; finishing sessions would make the new system final, with no way back\n\nFirst:\n  - wait\n\nThen remove, in this order:\n  - django.contrib.sessions\n\nKeep:\n  - the bridge\n"},
		{"kill sessions --reason slow", "Kill", `{"name":"sessions","author":"ada","reason":"slow"}`, "KILLED (running), 0.25% treated, epoch 3\nnext:"},
		{"kill sessions --rehearsal --reason drill", "Kill", `{"name":"sessions","author":"ada","reason":"drill","rehearsal":true}`, "in force at every edge after 1.5ms"},
		{"kill lift sessions --resume --reason r", "Lift", `{"name":"sessions","author":"ada","reason":"r","resume":true}`, "sessions: running"},
		{"magic issue --for qa --ttl 2h", "IssueMagic", `{"for":"qa","ttlSeconds":"7200","author":"ada","reason":"qa"}`, "__Host-cf_magic=abc\n"},
		{"magic list", "ListMagic", `{}`, "expired"},
		{"magic revoke m1 --reason lost", "RevokeMagic", `{"id":"m1","author":"ada","reason":"lost"}`, "m1 is revoked"},
		{"session find 42", "List", `{"subject":"42","limit":50}`, "ended: logout"},
		{"session show lineage:77", "Get", `{"session":{"lineage":"77"}}`, "holds:\n  cart\n"},
		{"session show a1 --values", "Get", `{"session":{"id":"a1"}}`, `cart = {"12":1}`},
		{"session end a1 --reason asked", "End", `{"session":{"id":"a1"},"reason":"asked","author":"ada"}`, "on legacy it ends too: the order is sent until legacy confirms it"},
		{"session end --subject 42 --except a1 --reason leak", "End", `{"subject":"42","exceptSession":"a1","reason":"leak","author":"ada"}`, "ended 2 sessions in the new system\nthose on legacy end too"},
		{"session end --everybody --reason leak", "End", `{"everybody":true,"reason":"leak","author":"ada"}`, "ended everybody's sessions"},
		{"changes --of sessions --limit 5", "ListChanges", `{"limit":5,"subject":"sessions"}`, "quiet  [2Jfake line"},
	} {
		t.Run(c.command, func(t *testing.T) {
			w := newWorld(t)
			out := w.ok(strings.Fields(c.command)...)
			if got := w.server.asked[c.procedure]; got != c.asks {
				t.Errorf("asks %s, want %s", got, c.asks)
			}
			if !strings.Contains(out, c.says) {
				t.Errorf("says %q, want %q", out, c.says)
			}
			if c.command != "session show a1 --values" {
				var parsed map[string]any
				if err := json.Unmarshal([]byte(newWorld(t).ok(append(strings.Fields(c.command), "--json")...)), &parsed); err != nil {
					t.Errorf("--json is not JSON: %v", err)
				}
			}
		})
	}
}

func TestSessionFind(t *testing.T) {
	t.Run("nothing found says what becomes of sessions on legacy", func(t *testing.T) {
		if r := newWorld(t).run("session", "find", "ada"); !strings.Contains(r.err, "sessions on legacy are not listed") {
			t.Errorf("says %q", r.err)
		}
	})
	t.Run("nothing found says what a subject is, beside the answer", func(t *testing.T) {
		r := newWorld(t).run("session", "find", "ada")
		if r.code != 0 || strings.Contains(r.out, "ada") || !strings.Contains(r.err, `no session of subject "ada"`) {
			t.Errorf("exit %d, says %q", r.code, r.err)
		}
	})
}

func TestSessionShow(t *testing.T) {
	const now = 1_800_000_000
	for name, c := range map[string]struct {
		session    *sessionv1.Session
		says, hush string
	}{
		"a live one says how long in days": {&sessionv1.Session{State: "live", IdleAt: now + 14*86400 - 1, ExpiresAt: now + 90*86400 + 7200}, "(in 90 d 2 h)", "335h"},
		"an ended one says why, and has no time left": {
			&sessionv1.Session{State: "ended", EndReason: "stolen (by ada)", IdleAt: now + 60, ExpiresAt: now + 60}, "ended: stolen (by ada)\n", "until"},
		"one whose time is over is not called live": {&sessionv1.Session{State: "live", IdleAt: now - 90, ExpiresAt: now + 60}, "expired", "live"},
		"the last minutes are said to the second":   {&sessionv1.Session{State: "live", IdleAt: now + 61, ExpiresAt: now + 3600}, "(in 1 min 1 s)", "1m1s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.session = c.session
			if out := w.ok("session", "show", "a1"); !strings.Contains(out, c.says) || strings.Contains(out, c.hush) {
				t.Errorf("says %s", out)
			}
		})
	}
}

func TestFinish_done(t *testing.T) {
	w := newWorld(t)
	w.server.rollout.State = "finished"
	if out := w.ok("rollout", "finish", "sessions", "--dry-run"); !strings.Contains(out, "sessions is finished") || strings.Contains(out, "would") {
		t.Errorf("says %s", out)
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name, command string
		arrange       func(*world)
		code          int
		message, hint string
	}{
		{"an unknown command suggests", "rolout list", nil, 2, `unknown command "rolout"`, `did you mean "rollout"?`},
		{"an unknown command of a group suggests", "rollout rmap", nil, 2, `unknown command "rmap" for "crossfade rollout"`, `did you mean "ramp"?`},
		{"an unknown flag", "version --jsn", nil, 2, "unknown flag: --jsn", "--help"},
		{"a missing argument shows the usage", "rollout show", nil, 2, "takes NAME, got 0", `"crossfade rollout list" shows the names; usage: crossfade rollout show NAME`},
		{"a kill without a reason", "kill sessions", nil, 2, `required flag(s) "reason" not set`, "--reason WHY"},
		{"a kill with an empty reason", "kill sessions --reason=", nil, 2, "the reason is empty", "--reason WHY"},
		{"a magic cookie for nobody", "magic issue", nil, 2, `required flag(s) "for" not set`, "--for qa"},
		{"a finish without a reason", "rollout finish sessions", nil, 2, `required flag(s) "reason" not set`, "--dry-run"},
		{"an id that names no session", "session show zz", func(w *world) {
			w.server.fails = fault.New(fault.Invalid, `session id "zz" is malformed`)
		}, 1, "is malformed", "crossfade session find"},
		{"two targets", "session end a1 --everybody --reason x", nil, 2, "name exactly one of", "--subject SUBJECT"},
		{"no target", "session end --reason x", nil, 2, "name exactly one of", "crossfade session end ID"},
		{"a share too fine", "rollout ramp sessions --reason r --to 0.00001", nil, 2, "finer than a millionth", "0.0001%"},
		{"a share of 101", "rollout ramp sessions --reason r --to 101", nil, 2, "more than 100%", ""},
		{"a ramp down", "rollout ramp sessions --reason r --to 0", nil, 2, "would send visitors back", "crossfade rollout rollback sessions --reason"},
		{"a ttl without a unit", "magic issue --for qa --ttl 2", nil, 2, "has no unit", `"2h"`},
		{"what the server refuses, with its hint", "rollout ramp sessions --reason r", func(w *world) {
			w.server.fails = fault.New(fault.Precondition, "sessions awaits approval").WithHint("crossfade rollout approve sessions")
		}, 1, "crossfade: sessions awaits approval\n", "hint: crossfade rollout approve sessions\n"},
		{"a wrong token", "rollout list", func(w *world) { w.environ["CROSSFADE_TOKEN"] = strings.Repeat("x", 32) }, 1, "the admin token is missing or wrong", "secrets/admin.token beside it; give it with --token-file or CROSSFADE_TOKEN"},
		{"a token file that is not there", "rollout list --token-file nofile", nil, 1, "cannot read the secret of admin.token from nofile", "hint: the token is admin.token of the server's crossfade.yaml"},
		{"a token that is too short", "rollout list", func(w *world) { w.environ["CROSSFADE_TOKEN"] = "x" }, 1, "has 1 bytes", "hint: the token is admin.token of the server's crossfade.yaml"},
		{"no token anywhere", "rollout list", func(w *world) { delete(w.environ, "CROSSFADE_TOKEN") }, 1, "no admin token", "--token-file"},
		{"nobody there", "rollout list", func(w *world) { w.environ["CROSSFADE_SERVER"] = "http://127.0.0.1:1" }, 1, "no answer from http://127.0.0.1:1", "crossfade serve"},
		{"the wrong listener", "rollout list", func(w *world) {
			other := httptest.NewServer(http.NotFoundHandler())
			w.t.Cleanup(other.Close)
			w.environ["CROSSFADE_SERVER"] = other.URL
		}, 1, "not as Crossfade's internal listener", "internal.listen"},
		{"an address that is none", "rollout list --server localhost:8081", nil, 1, "is not the address of a server", "http://127.0.0.1:8081"},
		{"no configuration to serve", "serve", nil, 1, "no configuration at crossfade.yaml", "crossfade init"},
		{"a field that does not exist", "config explain session.ilde", nil, 2, `has no "session.ilde"`, `did you mean "session.idle"?`},
		{"a field below a list", "config explain routes.calback", nil, 2, `has no "routes.calback"`, `did you mean "routes.callback"?`},
		{"a field without its section", "config explain callback", nil, 2, `has no "callback"`, `did you mean "routes.callback"?`},
		{"a page of no changes", "changes --limit 0", nil, 2, "--limit 0 is not between 1 and 500", ""},
		{"a page of too many sessions", "session find 1 --limit 201", nil, 2, "--limit 201 is not between 1 and 200", ""},
		{"a shell that has no completion", "completion tcsh", nil, 2, `unknown command "tcsh" for "crossfade completion"`, `did you mean "bash"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.arrange != nil {
				c.arrange(w)
			}
			r := w.run(strings.Fields(c.command)...)
			if r.code != c.code || !strings.HasPrefix(r.err, "crossfade: ") || !strings.Contains(r.err, c.message) || !strings.Contains(r.err, c.hint) {
				t.Errorf("exit %d, says:\n%s", r.code, r.err)
			}
			if r.out != "" {
				t.Errorf("standard output is not empty: %q", r.out)
			}
		})
	}
	t.Run("with --json a failure is JSON too", func(t *testing.T) {
		for args, want := range map[string][2]string{
			"rollout list --json":  {"unauthenticated", "the admin token is missing or wrong"},
			"kill sessions --json": {"invalid_argument", `required flag(s) "reason" not set`},
		} {
			w := newWorld(t)
			w.environ["CROSSFADE_TOKEN"] = strings.Repeat("x", 32)
			r := w.run(strings.Fields(args)...)
			var said struct{ Error, Hint, Code string }
			if err := json.Unmarshal([]byte(r.err), &said); err != nil || said.Code != want[0] || said.Error != want[1] || said.Hint == "" || r.out != "" {
				t.Errorf("%s: %v, says %s%s", args, err, r.out, r.err)
			}
		}
	})
}

func TestInit(t *testing.T) {
	t.Run("writes a configuration that check and serve take, and secrets for its owner alone", func(t *testing.T) {
		w := newWorld(t)
		if out := w.ok("init", "--upstream", "http://127.0.0.1:9000", "--public", "http://localhost:8088"); !strings.Contains(out, "crossfade serve") {
			t.Error(out)
		}
		if out := w.ok("config", "check"); !strings.Contains(out, "1 upstream, 2 routes, 1 client\n") {
			t.Error(out)
		}
		w.ok("serve")
		if w.served == nil || w.served.Upstreams["django"].URL != "http://127.0.0.1:9000" {
			t.Error("serve did not get the configuration")
		}
		secrets := map[string]bool{}
		err := filepath.WalkDir("secrets", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, _ := d.Info()
			text, _ := os.ReadFile(path)
			secrets[string(text)] = true
			if info.Mode().Perm() != 0o600 || len(text) != 65 {
				t.Errorf("%s: %s, %d bytes", path, info.Mode(), len(text))
			}
			return nil
		})
		if err != nil || len(secrets) != 4 {
			t.Errorf("%d different secrets, %v", len(secrets), err)
		}
	})
	t.Run("overwrites nothing", func(t *testing.T) {
		w := newWorld(t)
		w.ok("init")
		before, _ := os.ReadFile("secrets/key-1")
		r := w.run("init")
		if r.code != 1 || !strings.Contains(r.err, "crossfade.yaml exists already") {
			t.Errorf("exit %d: %s", r.code, r.err)
		}
		if err := os.Remove("crossfade.yaml"); err != nil {
			t.Fatal(err)
		}
		w.ok("init")
		if after, _ := os.ReadFile("secrets/key-1"); !bytes.Equal(before, after) {
			t.Error("a secret was replaced: everybody would be logged out")
		}
	})
	t.Run("refuses what could not start, before it writes anything", func(t *testing.T) {
		w := newWorld(t)
		r := w.run("init", "--public", "http://shop.example.com")
		if entries, _ := os.ReadDir("."); r.code != 1 || len(entries) != 0 || !strings.Contains(r.err, "https") {
			t.Errorf("exit %d, %d files: %s", r.code, len(entries), r.err)
		}
	})
	t.Run("a flag that is no address is refused by its name", func(t *testing.T) {
		for args, want := range map[string]string{
			"--upstream 127.0.0.1:8000":            `--upstream: "127.0.0.1:8000" is not an address`,
			"--upstream http://127.0.0.1:8000/app": "--upstream: ",
			"--public shop.example.com":            "--public: ",
		} {
			w := newWorld(t)
			r := w.run(append([]string{"init"}, strings.Fields(args)...)...)
			if entries, _ := os.ReadDir("."); r.code != 1 || len(entries) != 0 || !strings.Contains(r.err, want) || !strings.Contains(r.err, "write it like http") {
				t.Errorf("%s: exit %d, %d files: %s", args, r.code, len(entries), r.err)
			}
		}
	})
	t.Run("lines for Django without a configuration say that they are a guess", func(t *testing.T) {
		r := newWorld(t).run("init", "--django")
		if r.code != 0 || !strings.Contains(r.err, "no configuration at crossfade.yaml") || !strings.Contains(r.out, "CROSSFADE = {") {
			t.Errorf("exit %d: %s", r.code, r.err)
		}
	})
	t.Run("prints the lines for Django from the configuration", func(t *testing.T) {
		w := newWorld(t)
		w.ok("init", "--public", "http://localhost:8088")
		out := w.ok("init", "--django")
		for _, want := range []string{`"API": "http://127.0.0.1:8081"`, `"NAME": "django"`, filepath.Join(w.dir, "secrets", "bridge-1"), `"localhost", "127.0.0.1"]`, "crossfade.django.middleware.SessionMiddleware"} {
			if !strings.Contains(out, want) {
				t.Errorf("lacks %s", want)
			}
		}
	})
	t.Run("a site by https tells Django that it is", func(t *testing.T) {
		w := newWorld(t)
		w.ok("init", "--public", "https://shop.example.com")
		if out := w.ok("init", "--django"); !strings.Contains(out, `[*ALLOWED_HOSTS, "shop.example.com"]`+"\nSECURE_PROXY_SSL_HEADER") {
			t.Error(out)
		}
	})
}

func TestToken(t *testing.T) {
	t.Run("is found beside the configuration", func(t *testing.T) {
		w := newWorld(t)
		w.ok("init")
		delete(w.environ, "CROSSFADE_TOKEN")
		if err := os.WriteFile("secrets/admin.token", []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.ok("rollout", "list")
	})
	t.Run("is found in secrets without a configuration", func(t *testing.T) {
		w := newWorld(t)
		delete(w.environ, "CROSSFADE_TOKEN")
		_ = os.Mkdir("secrets", 0o700)
		_ = os.WriteFile("secrets/admin.token", []byte(token), 0o600)
		w.ok("rollout", "list")
	})
}

func TestCompletion(t *testing.T) {
	w := newWorld(t)
	if out := w.ok("__complete", "kill", ""); !strings.HasPrefix(out, "lift") || !strings.Contains(out, "sessions\n") {
		t.Errorf("kill completes to %q", out)
	}
	if out := w.ok("__complete", "config", "explain", "session.i"); !strings.Contains(out, "session.idle") {
		t.Errorf("explain completes to %q", out)
	}
	if out := w.ok("__complete", "kill", "sessions", "--re"); strings.Contains(out, "`") || !strings.Contains(out, "why, in a sentence for the changelog") {
		t.Errorf("a flag's description reads %q", out)
	}
	if out := w.ok("completion", "bash"); !strings.Contains(out, "__start_crossfade") {
		t.Error("no script for bash")
	}
}
