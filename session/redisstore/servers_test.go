package redisstore_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
)

const password = "hunter2-do-not-print"

// user makes a user of the server with the rights that docs/stores-redis.md gives it.
func user(server *testenv.Redis, name string, rules ...string) {
	server.Do(append([]string{"ACL", "SETUSER", name, "on", ">" + password}, rules...)...)
}

// documented are those rights.
var documented = []string{"~cf:*", "&cf:*", "-@all", "+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "-keys", "+info", "+role", "+wait", "+cluster|nodes", "+cluster|slots", "+cluster|shards", "+client|setname"}

func TestServers(t *testing.T) {
	for _, c := range []struct {
		name, says, hint string
		settings         []string
		cfg              redisstore.Config
		before           func(*testenv.Redis)
	}{
		{name: "a policy that would drop sessions", settings: []string{"maxmemory-policy allkeys-lru"}, says: "maxmemory-policy is allkeys-lru", hint: `"maxmemory-policy noeviction"`},
		{name: "one that drops what expires", settings: []string{"maxmemory-policy volatile-ttl"}, says: "volatile-ttl", hint: "CONFIG SET maxmemory-policy noeviction"},
		{name: "no password", settings: []string{"requirepass " + password}, says: "wants a password", hint: "session.store.redis.password"},
		{name: "a wrong password", settings: []string{"requirepass other"}, cfg: redisstore.Config{Password: password}, says: "refuses the user name or password", hint: "session.store.redis.username"},
		{
			name: "a user who may not run scripts", cfg: redisstore.Config{Username: "app", Password: password}, says: "may not run a command", hint: "docs/stores-redis.md",
			before: func(r *testenv.Redis) { user(r, "app", "~*", "&*", "+@all", "-@scripting") },
		},
		{name: "a replica", settings: []string{"replicaof 127.0.0.1 1"}, says: "is a replica", hint: "session.store.redis.sentinel"},
	} {
		t.Run("refused at start: "+c.name, func(t *testing.T) {
			server := testenv.StartRedis(t, c.settings...)
			if c.before != nil {
				c.before(server)
			}
			c.cfg.Addresses = []string{server.Address}
			var out bytes.Buffer
			s, err := redisstore.Open(t.Context(), c.cfg, suiteClock, slog.New(slog.NewTextHandler(&out, nil)))
			if err == nil {
				_ = s.Close()
				t.Fatal("accepted")
			}
			message, hint := fault.Public(err)
			if !strings.Contains(message, c.says) || !strings.Contains(hint, c.hint) {
				t.Errorf("got %q, hint %q", message, hint)
			}
			if strings.Contains(err.Error()+hint+out.String(), password) {
				t.Error("the password is in what is said")
			}
		})
	}
	t.Run("the user that the docs give suffices", func(t *testing.T) {
		server := testenv.StartRedis(t)
		user(server, "app", documented...)
		s := openAt(t, redisstore.Config{Addresses: []string{server.Address}, Prefix: "cf", Username: "app", Password: password})
		use(t, s)
		var g gaps
		g.watch(t, s)
		if _, _, err := s.Scan(t.Context(), "", 10); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		_, err := redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{"127.0.0.1:1"}}, suiteClock, quiet)
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(hint, "127.0.0.1:1") {
			t.Fatalf("got %v, hint %q", err, hint)
		}
	})
	t.Run("without an append-only file there is a warning", func(t *testing.T) {
		var out bytes.Buffer
		server := testenv.StartRedis(t, "appendonly no")
		s, err := redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{server.Address}}, suiteClock, slog.New(slog.NewTextHandler(&out, nil)))
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if !strings.Contains(out.String(), "appendonly yes") {
			t.Errorf("said %q", out.String())
		}
	})
	t.Run("out of memory: writes are refused with a reason, what is stored is served, and it mends itself", func(t *testing.T) {
		server := testenv.StartRedis(t)
		s := openAt(t, redisstore.Config{Addresses: []string{server.Address}})
		use(t, s)
		server.Do("CONFIG", "SET", "maxmemory", "1")
		_, err := s.Commit(t.Context(), session.Insert{Record: rec(9, "u")})
		if message, hint := fault.Public(err); !strings.Contains(message, "out of memory") || !strings.Contains(hint, "maxmemory") {
			t.Errorf("got %q, hint %q", message, hint)
		}
		if err := s.Writable(t.Context()); err == nil {
			t.Error("it says that it takes writes")
		}
		if r, err := s.Head(t.Context(), rec(1, "u").ID); err != nil || r == nil {
			t.Errorf("what is stored: %v, %v", r, err)
		}
		server.Do("CONFIG", "SET", "maxmemory", "0")
		if err := s.Writable(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func use(t *testing.T, s *redisstore.Store) {
	t.Helper()
	for _, op := range []session.Op{
		session.Insert{Record: rec(1, "u")}, session.Insert{Record: rec(2, "u")},
		session.EndLineage{Lineage: session.Lineage(rec(2, "u").ID), At: at, Keep: at, Notify: &session.Notice{}},
		session.EndSubject{Subject: "nobody", At: at, Keep: at},
	} {
		if _, err := s.Commit(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Touch(t.Context(), []session.Touch{{ID: rec(1, "u").ID, Since: at, Seen: at}}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestBackup is the backup and restore of docs/stores-redis.md.
func TestBackup(t *testing.T) {
	server := testenv.StartRedis(t)
	s := openAt(t, redisstore.Config{Addresses: []string{server.Address}, Prefix: "cf"})
	use(t, s)
	before, err := s.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Do("BGSAVE")
	testenv.Eventually(t, "the snapshot is written", func() bool {
		return strings.Contains(server.Do("INFO", "persistence"), "rdb_bgsave_in_progress:0")
	})
	dump, err := os.ReadFile(filepath.Join(server.Dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()

	restored := testenv.StartRedis(t, "appendonly no")
	restored.Kill()
	if err := os.WriteFile(filepath.Join(restored.Dir, "dump.rdb"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	restored.Restart()
	restored.Do("CONFIG", "SET", "appendonly", "yes")
	testenv.Eventually(t, "all of it is in the append-only file", func() bool {
		info := restored.Do("INFO", "persistence")
		return strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0") && strings.Contains(info, "aof_current_size")
	})
	later := func() time.Time { return at.Add(400 * 24 * time.Hour) }
	s, err = redisstore.Open(context.Background(), redisstore.Config{Addresses: []string{restored.Address}, Prefix: "cf"}, later, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if r, err := s.Full(t.Context(), rec(1, "u").ID); err != nil || r == nil || r.State != session.StateLive {
		t.Errorf("a session: %+v, %v", r, err)
	}
	if ended := must(t)(s.Ended(t.Context(), session.Lineage(rec(2, "u").ID))); !ended {
		t.Error("a tombstone is lost")
	}
	after, err := s.Marks(t.Context())
	if err != nil || after.Subjects["nobody"] != before.Subjects["nobody"] {
		t.Errorf("marks %+v, %v", after, err)
	}
	if after.Sequence < session.Mark(later().Unix()) {
		t.Error("marks that were drawn after the backup may be drawn again")
	}
}

// TestExpiry: a row lives as long as it is needed and an hour more, and what remembers an end has no expiry.
func TestExpiry(t *testing.T) {
	server := testenv.StartRedis(t)
	s := openAt(t, redisstore.Config{Addresses: []string{server.Address}, Prefix: "x"})
	life := func(key string) time.Duration {
		n, err := strconv.Atoi(strings.TrimPrefix(server.Do("PTTL", key), ":"))
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * time.Millisecond
	}
	lives := func(what, key string, want time.Duration) {
		t.Helper()
		if got := life(key); got < want || got > want+time.Hour {
			t.Errorf("%s lives for %v, needs %v", what, got, want)
		}
	}
	r := rec(1, "u")
	key := "x:{" + r.ID.String() + "}"
	commitAll := func(ops ...session.Op) {
		t.Helper()
		if _, err := s.Commit(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	commitAll(session.Insert{Record: r})
	lives("a session", key, r.Idle)
	if err := s.Touch(t.Context(), []session.Touch{{ID: r.ID, Since: at, Seen: at.Add(30 * time.Minute)}}, nil); err != nil {
		t.Fatal(err)
	}
	lives("one that was used", key, r.Idle+30*time.Minute)
	commitAll(session.PutKey{Key: session.Key{Hash: session.KeyHash{1}, Lineage: r.Lineage, Keep: at.Add(48 * time.Hour), Version: 1}})
	lives("one that a legacy key refers to", key, 48*time.Hour)
	moved := rec(2, "u")
	moved.Lineage = session.Lineage{7}
	commitAll(session.Insert{Record: moved})
	lives("what points to an exchanged session", "x:{"+moved.ID.String()+"}", 24*time.Hour)
	commitAll(session.EndLineage{Lineage: r.Lineage, At: at, Keep: at.Add(time.Hour)})
	if life(key) >= 0 {
		t.Error("a tombstone can expire, and so be evicted")
	}
}
