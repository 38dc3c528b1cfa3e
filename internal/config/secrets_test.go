package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

// install writes the good configuration and its secret files into a fresh folder.
func install(t *testing.T) (path string, environment map[string]string) {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "crossfade.yaml"), good, 0o600)
	if err := os.Mkdir(filepath.Join(folder, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "secrets/key-1"), strings.Repeat("k", 32)+"\n", 0o600)
	write(t, filepath.Join(folder, "secrets/admin.token"), strings.Repeat("a", 40), 0o600)
	return filepath.Join(folder, "crossfade.yaml"), map[string]string{
		"BRIDGE_1": strings.Repeat("b", 32), "STOREFRONT": " " + strings.Repeat("s", 32) + "\n",
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
}

func TestReadSecrets(t *testing.T) {
	read := func(t *testing.T, path string, environment map[string]string) (*config.Secrets, error) {
		t.Helper()
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c.ReadSecrets(func(name string) string { return environment[name] })
	}
	t.Run("files and environment, without the white space around", func(t *testing.T) {
		path, environment := install(t)
		s, err := read(t, path, environment)
		if err != nil {
			t.Fatal(err)
		}
		if string(s.Keys[0].Bytes) != strings.Repeat("k", 32) || s.Keys[0].ID != 1 || string(s.Clients["storefront"]) != strings.Repeat("s", 32) || len(s.Bridge) != 1 {
			t.Error("not what was written")
		}
	})
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, folder string, environment map[string]string)
		says  string
	}{
		{"a missing file", func(t *testing.T, folder string, _ map[string]string) {
			_ = os.Remove(filepath.Join(folder, "secrets/key-1"))
		}, "cannot read the secret of keys[0]"},
		{"a file that others may write", func(t *testing.T, folder string, _ map[string]string) {
			_ = os.Chmod(filepath.Join(folder, "secrets/key-1"), 0o666)
		}, "others may write"},
		{"an empty file", func(t *testing.T, folder string, _ map[string]string) {
			write(t, filepath.Join(folder, "secrets/admin.token"), "\n", 0o600)
		}, "the secret of admin.token is empty"},
		{"a short secret", func(_ *testing.T, _ string, environment map[string]string) { environment["BRIDGE_1"] = "password" }, "has 8 bytes, needs 32"},
		{"an unset variable", func(_ *testing.T, _ string, environment map[string]string) { delete(environment, "BRIDGE_1") }, "is empty in environment variable BRIDGE_1"},
		{"one secret for two callers", func(_ *testing.T, _ string, environment map[string]string) {
			environment["STOREFRONT"] = strings.Repeat("a", 40)
		}, `client "storefront" has the same secret as admin.token`},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			path, environment := install(t)
			c.spoil(t, filepath.Dir(path), environment)
			_, err := read(t, path, environment)
			if message, _ := fault.Public(err); !strings.Contains(message, c.says) {
				t.Errorf("says %q, want %q", message, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "password") {
				t.Error("repeats the secret")
			}
		})
	}
	t.Run("a secret that every user can read is warned about", func(t *testing.T) {
		path, _ := install(t)
		_ = os.Chmod(filepath.Join(filepath.Dir(path), "secrets/key-1"), 0o644)
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "chmod 600") {
			t.Errorf("%v", w)
		}
	})
	t.Run("a route that may want to be a callback is warned about", func(t *testing.T) {
		c, err := config.Parse("crossfade.yaml", []byte(strings.Replace(good, "{path: /cart/,", "{path: /cart/, no_handover: true, cross_site: true,", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "callback: true") {
			t.Errorf("%v", w)
		}
	})
}

func TestReadSecrets_store(t *testing.T) {
	const address = "postgres://crossfade:hunter2@db/sessions"
	path, environment := install(t)
	folder := filepath.Dir(path)
	text := strings.Replace(good, "session:\n", "session:\n  store: {kind: postgres, dsn: {file: secrets/dsn}, watch_dsn: {env: WATCH}}\n", 1)
	write(t, path, text, 0o600)
	write(t, filepath.Join(folder, "secrets/dsn"), address+"\n", 0o600)
	environment["WATCH"] = " " + address + "?a=b\n"
	read := func() (*config.Secrets, error) {
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c.ReadSecrets(func(name string) string { return environment[name] })
	}
	t.Run("the store's addresses come from files and environment, without the white space around", func(t *testing.T) {
		s, err := read()
		if err != nil || s.Store.DSN != address || s.Store.WatchDSN != address+"?a=b" {
			t.Fatalf("got %v, %v", s, err)
		}
	})
	t.Run("an empty one is refused, and no error repeats one", func(t *testing.T) {
		delete(environment, "WATCH")
		_, err := read()
		if fault.CodeOf(err) != fault.Invalid || strings.Contains(err.Error(), "hunter2") {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a file that others may write is refused", func(t *testing.T) {
		write(t, filepath.Join(folder, "secrets/dsn"), address, 0o666)
		if _, err := read(); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "others may write") {
			t.Fatalf("got %v", err)
		}
	})
}
