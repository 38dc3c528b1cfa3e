package app_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/testenv"
)

// makeSessions is run in the project's environment.
const makeSessions = `
import django; django.setup()
from importlib import import_module
from django.conf import settings
for i in range(120):
    s = import_module(settings.SESSION_ENGINE).SessionStore()
    s["cart"], s[f"order_{4711 + i}"], s["secret"] = [1], 2, "the-secret-value"
    s.save()
`

// TestInventory_ThroughTheBridge asks a real Django, served over HTTP, with the secret that both sides have.
func TestInventory_ThroughTheBridge(t *testing.T) {
	python, dir, port := testenv.Venv(t, testenv.Django52), t.TempDir(), testenv.Port(t)
	project := filepath.Join(testenv.Root(t), "client/python")
	env := []string{"CROSSFADE_TEST_FOLDER=" + dir, "DJANGO_SETTINGS_MODULE=projects.db_sessions", "PYTHONPATH=src:tests", "PYTHONDONTWRITEBYTECODE=1"}
	for _, args := range [][]string{{"-m", "django", "migrate", "--verbosity", "0"}, {"-c", makeSessions}} {
		cmd := exec.Command(python, args...)
		cmd.Dir, cmd.Env = project, append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	testenv.Start(t, testenv.Command{Name: "django", Path: python, Dir: project, Env: env, Ready: testenv.HTTPReady("http://" + address + "/plain"),
		Args: []string{"-m", "gunicorn", "--bind", address, "--worker-tmp-dir", os.TempDir(), "--no-control-socket", "projects.wsgi:application"}})

	ask := func(secret string, limit int) (string, error) {
		var c config.Config
		c.Public.URL, c.Legacy.Bridge.URL = "http://localhost:8080", "http://"+address+config.BridgePath
		c.Admin.Token.Env = "ADMIN"
		c.Keys = []config.Key{{ID: 1, Secret: config.Secret{Env: "KEY"}}}
		c.Legacy.Bridge.Secrets = []config.Key{{ID: 7, Secret: config.Secret{Env: "BRIDGE"}}}
		getenv := func(name string) string {
			return map[string]string{"ADMIN": strings.Repeat("a", 32), "KEY": strings.Repeat("k", 32), "BRIDGE": secret}[name]
		}
		report, err := app.Inventory(t.Context(), app.InventoryOptions{From: "bridge", Config: &c, Getenv: getenv, Limit: limit,
			Timeout: 20 * time.Second, Now: time.Now(), Rand: rand.Reader})
		if err != nil {
			return "", err
		}
		var b strings.Builder
		err = report.WriteText(&b)
		return b.String(), err
	}
	text, err := ask(strings.Repeat("b", 40), 100)
	for _, want := range []string{"engine django.contrib.sessions.backends.db", "100 % A, 0 % B, 0 % C", "order_*", "key 1 (SECRET_KEY)"} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v: no %q in\n%s", err, want, text)
		}
	}
	if strings.Contains(text, "the-secret-value") || strings.Contains(text, "4711") {
		t.Errorf("it shows what is in a session:\n%s", text)
	}
	if _, err = ask(strings.Repeat("x", 40), 100); fault.CodeOf(err) != fault.Denied {
		t.Errorf("with another secret: %v", err)
	}
}
