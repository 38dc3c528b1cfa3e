package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stored is a session as Django 3.2 wrote it: auth keys and a name, compressed, with SECRET_KEY "crossfade-test-secret".
const stored = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyMVLSQRZMSkzOTs0DyaRkJeal5-sl5-eVFGUm6YGU6EFli_V881NSc5ygalEMyEgszgDqTkxKBornJeamAjlR-TGlBgapSUq1AKC-LPg:1r31eq:-nnePoAG2hIY8sokuHLi2AEVTajGLktGNtXCFm0NwCs"

// files makes a folder of session files, and a file with keys.
func (w *world) files() (dir string) {
	w.t.Helper()
	dir = filepath.Join(w.dir, "sessions")
	if err := os.Mkdir(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sessions/sessionid" + strings.Repeat("a", 32): stored, "sessions/sessionid" + strings.Repeat("b", 32): "damaged",
		"keys": "a newer key\ncrossfade-test-secret\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
		saved := time.Unix(1_799_990_000, 0)
		if err := os.Chtimes(filepath.Join(w.dir, name), saved, saved); err != nil {
			w.t.Fatal(err)
		}
	}
	return dir
}

func TestInventory(t *testing.T) {
	t.Run("prints what the sessions hold", func(t *testing.T) {
		w := newWorld(t)
		got := w.run("legacy", "inventory", "--from", "file", "--dir", w.files(), "--keys", "keys", "--html", "page.html", "--rate", "0")
		if got.code != 0 || !strings.HasPrefix(got.out, "50.0 % A, 0 % B, 50.0 % C; 1 key unknown\n") {
			t.Fatalf("%+v", got)
		}
		for _, want := range []string{"_auth_user_id", "key 2 (fallback)", "damaged", "50.0 % authenticated"} {
			if !strings.Contains(got.out, want) {
				t.Errorf("no %q in\n%s", want, got.out)
			}
		}
		page, err := os.ReadFile("page.html")
		if err != nil || !strings.Contains(string(page), "_auth_user_id") || strings.Contains(string(page), "Zoë") || strings.Contains(got.out, "Zoë") {
			t.Errorf("%v: %s", err, page)
		}
	})
	t.Run("as JSON, with the mapping's owners", func(t *testing.T) {
		w := newWorld(t)
		if err := os.WriteFile("mapping.yaml", []byte("keys: {name: {owner: people, target: full_name}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := w.run("legacy", "inventory", "--from", "file", "--dir", w.files(), "--mapping", "mapping.yaml", "--json")
		var report struct {
			Unknown []string
			Keys    []struct {
				Key, Owner string
				Crosses    string `json:"crosses_as"`
			}
		}
		if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != 0 || len(report.Unknown) != 0 || len(report.Keys) < 4 {
			t.Fatalf("%v %+v", err, got)
		}
		for _, k := range report.Keys {
			if k.Key == "name" && (k.Owner != "people" || k.Crosses != "full_name") {
				t.Errorf("%+v", k)
			}
		}
	})
	t.Run("failures say what to do", func(t *testing.T) {
		w := newWorld(t)
		for _, c := range []struct {
			args, want string
			code       int
		}{
			{"--from redsi", "use bridge, db", 2}, {"--from cachd", "did you mean cache?", 2}, {"--limit 0", "1 to 1000000", 2},
			{"", "--from db", 1}, {"--from db", "CROSSFADE_LEGACY_DB", 1}, {"--from cache", "CROSSFADE_LEGACY_REDIS", 1},
			{"--from file", "SESSION_FILE_PATH", 1}, {"--from file --dir none", "on the machine of the Django site", 1},
			{"--from db --db mysql://db/shop", "--from bridge", 1}, {"--from file --keys none", "SECRET_KEY_FALLBACKS", 1},
			{"--from file --mapping none", "legacy.mapping.file", 1}, {"--from cache --redis redis://u:hunter2@127.0.0.1:1/x", "redis://host:6379/1", 1},
		} {
			got := w.run(append([]string{"legacy", "inventory"}, strings.Fields(c.args)...)...)
			if got.code != c.code || !strings.Contains(got.err, c.want) || strings.Contains(got.err, "hunter2") {
				t.Errorf("%s: %d %q", c.args, got.code, got.err)
			}
		}
	})
	t.Run("addresses and keys come from the environment too", func(t *testing.T) {
		w := newWorld(t)
		w.environ["CROSSFADE_LEGACY_DB"] = "there-is-none.sqlite3"
		if got := w.run("legacy", "inventory", "--from", "db"); !strings.Contains(got.err, "there-is-none.sqlite3") {
			t.Errorf("%+v", got)
		}
		w.environ["CROSSFADE_DJANGO_KEYS"] = "crossfade-test-secret"
		if got := w.run("legacy", "inventory", "--from", "file", "--dir", w.files()); !strings.Contains(got.out, "key 1 (SECRET_KEY)") {
			t.Errorf("%+v", got)
		}
	})
}
