package django_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/legacy/django"
	"crossfade.dev/crossfade/legacy/inventory"
)

// wrote is what a real Django stored.
type wrote struct {
	dir  string
	keys []string
}

func write(t *testing.T, version, engine, serializer string, count int, more ...string) wrote {
	t.Helper()
	w := wrote{dir: t.TempDir()}
	cmd := exec.Command(testenv.Venv(t, version), append([]string{"testdata/write.py", w.dir, engine, serializer, fmt.Sprint(count)}, more...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("testdata/write.py: %v", err)
	}
	w.keys = strings.Fields(string(out))
	return w
}

// taken is a sample.
type taken struct {
	store    inventory.Store
	sessions []inventory.Session
}

func sample(t *testing.T, source inventory.Source, limit int) taken {
	t.Helper()
	t.Cleanup(source.Close)
	var out taken
	plan := &inventory.Plan{Limit: limit, Now: time.Now(), Rand: rand.New(rand.NewPCG(1, 2)), Sleep: inventory.Sleep,
		Take: func(s inventory.Session) { out.sessions = append(out.sessions, s) }}
	var err error
	if out.store, err = source.Sample(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	return out
}

func (s taken) with(key string) (n int) {
	for _, one := range s.sessions {
		for _, k := range one.Keys {
			if k.Name == key {
				n++
			}
		}
	}
	return n
}

func (s taken) classes() string {
	count := map[inventory.Class]int{}
	for _, one := range s.sessions {
		count[one.Class()]++
	}
	return fmt.Sprintf("%d A, %d B, %d C", count["A"], count["B"], count["C"])
}

func (s taken) logins() (n int) {
	for _, one := range s.sessions {
		if one.Authenticated {
			n++
		}
	}
	return n
}

func open(t *testing.T, dir string, secrets ...string) *django.Table {
	t.Helper()
	table, err := django.OpenTable(filepath.Join(dir, "db.sqlite3"), django.TableConfig{Keys: django.NewKeys(secrets, ""), Kind: "db"})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, engine, serializer, classes string }{
		{testenv.Django52, "db", "JSON", "190 A, 0 B, 0 C"},
		{testenv.Django42, "cached_db", "JSON", "190 A, 0 B, 0 C"},
		{testenv.Django42, "db", "Pickle", "0 A, 186 B, 4 C"},
	} {
		t.Run(c.engine+" "+c.serializer+" of Django "+c.version, func(t *testing.T) {
			t.Parallel()
			w := write(t, c.version, c.engine, c.serializer, 200)
			got := sample(t, open(t, w.dir, "newer", secret), 1000)
			if got.classes() != c.classes || got.store.Rows != 200 || got.store.Live != 190 || !got.store.Whole {
				t.Errorf("%s of %+v, want %s", got.classes(), got.store, c.classes)
			}
			if got.with("cart") != 190 || got.with("long") < 45 || got.logins() < 60 {
				t.Errorf("cart in %d, long in %d, %d logins", got.with("cart"), got.with("long"), got.logins())
			}
			for _, s := range got.sessions {
				if s.Key != 2 || s.Problem != "" || time.Since(s.Saved) > time.Hour || time.Until(s.Expires) < 13*24*time.Hour || s.Size < 40 {
					t.Fatalf("%+v", s)
				}
				for _, key := range w.keys {
					if strings.Contains(s.ID, key) {
						t.Fatal("the sample holds a session's key")
					}
				}
			}
			if unsigned := sample(t, open(t, w.dir, "another key"), 1000); unsigned.classes() != "0 A, 0 B, 190 C" {
				t.Errorf("with another key: %s", unsigned.classes())
			}
		})
	}
}

// TestTable_SamplesFairly: from a table that is larger than the sample, old and new sessions have their share.
func TestTable_SamplesFairly(t *testing.T) {
	t.Parallel()
	w := write(t, testenv.Django52, "db", "JSON", 600)
	got := sample(t, open(t, w.dir), 200)
	if n := len(got.sessions); n < 200 || n > 400 || got.store.Whole || got.store.Live != -1 {
		t.Errorf("%d sessions of %+v", n, got.store)
	}
	seen := map[string]bool{}
	for _, s := range got.sessions {
		seen[s.ID] = true
	}
	if len(seen) != len(got.sessions) {
		t.Error("a session was taken twice")
	}
	if share := float64(got.logins()) / float64(len(got.sessions)); share < 0.2 || share > 0.47 {
		t.Errorf("%.2f are logins, a third should be", share)
	}
}

// TestTable_FindsTheFewLiveOnes among many dead rows.
func TestTable_FindsTheFewLiveOnes(t *testing.T) {
	t.Parallel()
	w := write(t, testenv.Django52, "db", "JSON", 100)
	python(t, w.dir, "UPDATE django_session SET expire_date = '2020-01-01 00:00:00' WHERE rowid > 3")
	got := sample(t, open(t, w.dir), 50)
	if len(got.sessions) > 3 || len(got.sessions) < 2 || got.store.Rows != 100 || !got.store.Whole {
		t.Errorf("%d sessions of %+v", len(got.sessions), got.store)
	}
}

// TestTable_OnlyReads: the file is the same afterwards, byte for byte, and a file that may not be written is enough.
func TestTable_OnlyReads(t *testing.T) {
	t.Parallel()
	w := write(t, testenv.Django52, "db", "JSON", 30)
	file := filepath.Join(w.dir, "db.sqlite3")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	sample(t, open(t, w.dir, secret), 10)
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the database has changed (%v)", err)
	}
	left, _ := os.ReadDir(w.dir)
	if len(left) != 2 { // and the folder for files
		t.Errorf("left behind: %v", left)
	}
}

// TestOpenTable_SaysWhatToDo: each failure names the next step.
func TestOpenTable_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := write(t, testenv.Django52, "db", "JSON", 1)
	for address, hint := range map[string]string{
		"": "CROSSFADE_LEGACY_DB", "mysql://root@db/shop": "--from bridge", filepath.Join(w.dir, "none.sqlite3"): "postgres://",
		"postgres://u:hunter2@h:port/x": "PGPASSWORD",
	} {
		_, err := django.OpenTable(address, django.TableConfig{})
		if message, got := fault.Public(err); !strings.Contains(got, hint) || strings.Contains(message+got+err.Error(), "hunter2") {
			t.Errorf("%q: %v, hint %q", address, err, got)
		}
	}
	if _, err := django.OpenTable(filepath.Join(w.dir, "db.sqlite3"), django.TableConfig{Table: "a; DROP TABLE b"}); err == nil {
		t.Error("a table with a name like that was taken")
	}
	for table, hint := range map[string]string{"nothing_here": "--table", "django_migrations": "--from bridge"} {
		source, err := django.OpenTable(filepath.Join(w.dir, "db.sqlite3"), django.TableConfig{Table: table})
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		_, err = source.Sample(t.Context(), &inventory.Plan{Limit: 1, Now: time.Now(), Rand: rand.New(rand.NewPCG(1, 2))})
		if _, got := fault.Public(err); !strings.Contains(got, hint) {
			t.Errorf("%s: %v, hint %q", table, err, got)
		}
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	w := write(t, testenv.Django52, "file", "JSON", 100)
	dir := filepath.Join(w.dir, "files")
	stranger := strings.Repeat("a", 32)
	for name, text := range map[string]string{"sessionid../../x": "", "other": "x", "sessionid" + stranger: "damaged"} {
		_ = os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(text), 0o600)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "sessionid"+strings.Repeat("b", 32))); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "sessionid"+w.keys[0])
	if err := os.Chtimes(old, time.Now(), time.Now().AddDate(0, 0, -20)); err != nil {
		t.Fatal(err)
	}
	folder, err := django.OpenFolder(django.FolderConfig{Keys: django.NewKeys([]string{secret}, ""), Dir: dir, Age: 14 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	got := sample(t, folder, 1000)
	if got.classes() != "100 A, 0 B, 1 C" || got.with("cart") != 100 || got.store.Rows != 102 {
		t.Errorf("%s of %+v", got.classes(), got.store)
	}
	expired, short := 0, 0
	for _, s := range got.sessions {
		if !s.Expires.After(time.Now()) {
			expired++
		} else if time.Until(s.Expires) < time.Hour {
			short++
		}
	}
	if expired != 1 || short != 5 {
		t.Errorf("%d expired, %d end within the hour", expired, short)
	}
}

// redis starts a server of the test's own.
func redis(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("no redis-server: apt-get install redis-server")
	}
	port := testenv.Port(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	testenv.Start(t, testenv.Command{Name: "redis", Path: path, Dir: t.TempDir(), Args: []string{"--port", fmt.Sprint(port), "--save", "", "--bind", "127.0.0.1"},
		Ready: func(ctx context.Context) error {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err == nil {
				_ = c.Close()
			}
			return err
		}})
	return "redis://" + address + "/1"
}

func TestRedis(t *testing.T) {
	t.Parallel()
	address := redis(t)
	w := write(t, testenv.Django52, "cache", "JSON", 200, address)
	write(t, testenv.Django52, "cached_db", "JSON", 20, address) // their keys begin alike
	source, err := django.OpenRedis(django.RedisConfig{Address: address, Age: 14 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	got := sample(t, source, 1000)
	if got.classes() != "0 A, 196 B, 4 C" || got.store.Rows != 200 || got.with("cart") != 200 || got.with("when") != 20 || !got.store.Whole {
		t.Errorf("%s of %+v, cart in %d, when in %d", got.classes(), got.store, got.with("cart"), got.with("when"))
	}
	if len(w.keys) != 200 {
		t.Fatal(len(w.keys))
	}
	short := 0
	for _, s := range got.sessions {
		if time.Until(s.Expires) < time.Hour {
			short++
		} else if time.Since(s.Saved) > time.Hour || s.Saved.After(time.Now()) {
			t.Fatalf("%+v", s)
		}
	}
	if short != 10 {
		t.Errorf("%d end within the hour", short)
	}
	few, err := django.OpenRedis(django.RedisConfig{Address: address, Age: 14 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if part := sample(t, few, 20); len(part.sessions) < 20 || part.store.Whole {
		t.Errorf("%d of %+v", len(part.sessions), part.store)
	}
	other, err := django.OpenRedis(django.RedisConfig{Address: address, Prefix: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if none := sample(t, other, 20); len(none.sessions) != 0 || !strings.Contains(strings.Join(none.store.Notes, " "), "--key-prefix") {
		t.Errorf("%+v", none)
	}
}

// python changes the database with Python's own sqlite3.
func python(t *testing.T, dir, statement string) {
	t.Helper()
	script := "import sqlite3,sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
	if out, err := exec.Command(testenv.Venv(t, testenv.Django52), "-c", script, filepath.Join(dir, "db.sqlite3"), statement).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
