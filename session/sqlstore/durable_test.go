package sqlstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// childPath makes this test binary a process that writes sessions until it is killed.
const childPath = "CROSSFADE_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		writeUntilKilled(path)
		return
	}
	os.Exit(testenv.Main(m))
}

// writeUntilKilled says each session on standard output once its write was answered, and not before.
func writeUntilKilled(path string) {
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{Path: path}, quiet)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				r := record(byte(w), n)
				if _, err := s.Commit(context.Background(), session.Insert{Record: r}); err != nil {
					fmt.Println("error:", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println(r.ID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestStore_Durability(t *testing.T) {
	t.Run("every write that was answered is there after kill -9", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		for round := range 3 {
			answered := runAndKill(t, fmt.Sprintf("%s.%d", path, round), 400*(round+1))
			s := openAt(t, sqlstore.Config{Path: fmt.Sprintf("%s.%d", path, round)})
			for _, id := range answered {
				r, err := s.Full(t.Context(), id)
				if err != nil || r == nil || string(r.Attributes["cart"].Value) != "[1]" {
					t.Fatalf("session %s of %d answered: %+v, %v", id, len(answered), r, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// runAndKill starts the writer, reads n answers, kills it in the middle of the next ones, and gives
// everything that was answered by then.
func runAndKill(t *testing.T, path string, n int) (answered []session.ID) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		id, err := session.ParseID(lines.Text())
		if err != nil {
			break // the line that the kill cut, or an error that the count below reveals
		}
		if answered = append(answered, id); len(answered) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed, as intended
	if len(answered) < n {
		t.Fatalf("the writer answered %d times: %s", len(answered), lines.Text())
	}
	return answered
}

func TestStore_SecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := openAt(t, sqlstore.Config{Path: path})

	t.Run("another process on the same database is refused, and told what to do", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childPath+"="+path)
		out, err := cmd.Output()
		if err == nil || !strings.Contains(string(out), "in use by another process") || !strings.Contains(string(out), fmt.Sprint(os.Getpid())) {
			t.Fatalf("%v: %s", err, out)
		}
	})
	t.Run("so is the same process", func(t *testing.T) {
		_, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path}, quiet)
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Precondition || hint == "" {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("once it is closed the next may come, also after a kill", func(t *testing.T) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		runAndKill(t, path, 10)
		if err := openAt(t, sqlstore.Config{Path: path}).Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStore_Full(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := openAt(t, sqlstore.Config{Path: path, MaxBytes: 512 << 10})
	var answered []session.ID
	var full error
	for n := 0; full == nil && n < 100_000; n++ {
		r := record(1, n)
		if _, full = s.Commit(t.Context(), session.Insert{Record: r}); full == nil {
			answered = append(answered, r.ID)
		}
	}
	t.Run("a full disk refuses writes and says what to do", func(t *testing.T) {
		if _, hint := fault.Public(full); fault.CodeOf(full) != fault.Unavailable || !strings.Contains(hint, "free space") {
			t.Fatalf("got %v, hint %q", full, hint)
		}
	})
	t.Run("and it is known that it does", func(t *testing.T) {
		if err := s.Writable(t.Context()); fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("got %v", err)
		}
	})
	check := func(t *testing.T) {
		for _, id := range answered {
			if r, err := s.Head(t.Context(), id); err != nil || r == nil {
				t.Fatalf("%s: %v", id, err)
			}
		}
	}
	t.Run("what was answered is served", check)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, sqlstore.Config{Path: path, MaxBytes: 512 << 10})
	t.Run("and survives a restart", check)
	t.Run("writing goes on by itself once there is room", func(t *testing.T) {
		if _, err := s.Commit(t.Context(), session.Insert{Record: bulky(record(3, 1))}); fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("it is not full: %v", err)
		}
		if err := s.Writable(t.Context()); err == nil {
			t.Fatal("a refused write is not remembered")
		}
		for {
			n, err := s.Sweep(t.Context(), epoch.AddDate(1, 0, 0), 50)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
		if _, err := s.Commit(t.Context(), session.Insert{Record: bulky(record(3, 1))}); err != nil {
			t.Fatal(err)
		}
		if err := s.Writable(t.Context()); err != nil {
			t.Fatalf("it is still said to refuse writes: %v", err)
		}
	})
}

// bulky makes a record of many pages.
func bulky(r *session.Record) *session.Record {
	r.Attributes["text"] = session.Attribute{Value: json.RawMessage(`"` + strings.Repeat("x", 60<<10) + `"`), Version: 1}
	return r
}

func TestStore_Close(t *testing.T) {
	s := openAt(t, sqlstore.Config{Path: filepath.Join(t.TempDir(), "sessions.db")})
	t.Run("writes that race with closing are answered: written, or refused", func(t *testing.T) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for n := 0; ; n++ {
					_, err := s.Commit(t.Context(), session.Insert{Record: record(byte(w), n)})
					if fault.CodeOf(err) == fault.Unavailable {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	t.Run("closing twice is closing once", func(t *testing.T) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOpen(t *testing.T) {
	for name, cfg := range map[string]sqlstore.Config{
		"no path":                      {},
		"a folder that cannot exist":   {Path: "/dev/null/sessions.db"},
		"a folder in the file's place": {Path: t.TempDir()},
	} {
		t.Run(name+" is refused with a hint", func(t *testing.T) {
			_, err := sqlstore.Open(t.Context(), cfg, quiet)
			if _, hint := fault.Public(err); err == nil || hint == "" {
				t.Fatalf("got %v, hint %q", err, hint)
			}
		})
	}
	t.Run("a file that is no database is refused and left alone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		text := []byte(strings.Repeat("not a database\n", 1000))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path}, quiet)
		if fault.CodeOf(err) != fault.Internal {
			t.Fatalf("got %v", err)
		}
		if got, _ := os.ReadFile(path); string(got) != string(text) {
			t.Fatal("it was changed")
		}
	})
	t.Run("odd paths work", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a b?c#d%20é")
		if err := openAt(t, sqlstore.Config{Path: filepath.Join(dir, "s?x=1.db")}).Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "s?x=1.db")); err != nil {
			t.Fatal(err)
		}
	})
}

func record(writer byte, n int) *session.Record {
	id := session.ID{0: byte(n >> 16), 1: byte(n >> 8), 2: byte(n), 15: writer}
	return &session.Record{
		Session: session.Session{ID: id, Lineage: session.Lineage(id), Generation: 1, Kind: session.Guest, Created: epoch, LastSeen: epoch,
			ExpiresAt: epoch.AddDate(0, 1, 0), Version: 1, State: session.StateLive},
		Idle:       24 * 3600e9,
		Attributes: map[string]session.Attribute{"cart": {Value: json.RawMessage("[1]"), Version: 1}},
	}
}
