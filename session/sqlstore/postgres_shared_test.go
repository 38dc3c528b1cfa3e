package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessiontest"
	"crossfade.dev/crossfade/session/sqlstore"
)

// spread is several processes' stores on one database; each call goes to the next.
type spread struct {
	stores []*sqlstore.Postgres
	turn   atomic.Uint32
}

func openSpread(t testing.TB) session.Store {
	cfg := fresh(t)
	return &spread{stores: []*sqlstore.Postgres{openPostgresAt(t, cfg), openPostgresAt(t, cfg), openPostgresAt(t, cfg)}}
}

func (s *spread) next() *sqlstore.Postgres { return s.stores[int(s.turn.Add(1))%len(s.stores)] }

func (s *spread) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.next().Head(ctx, id)
}

func (s *spread) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.next().Full(ctx, id)
}

func (s *spread) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	return s.next().Generations(ctx, l)
}

func (s *spread) OfSubject(ctx context.Context, subject string, after session.Cursor, limit int) ([]*session.Record, error) {
	return s.next().OfSubject(ctx, subject, after, limit)
}
func (s *spread) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	return s.next().Ended(ctx, l)
}

func (s *spread) Key(ctx context.Context, hashes ...session.KeyHash) (*session.Key, error) {
	return s.next().Key(ctx, hashes...)
}
func (s *spread) Marks(ctx context.Context) (session.Marks, error) { return s.next().Marks(ctx) }
func (s *spread) Due(ctx context.Context, now time.Time, limit int) ([]session.PendingEnd, error) {
	return s.next().Due(ctx, now, limit)
}

func (s *spread) Outstanding(ctx context.Context) (map[int64][]session.Lineage, error) {
	return s.next().Outstanding(ctx)
}

func (s *spread) Scan(ctx context.Context, after string, limit int) ([]*session.Record, string, error) {
	return s.next().Scan(ctx, after, limit)
}

func (s *spread) Notes(ctx context.Context, prefix string) ([]session.Note, error) {
	return s.next().Notes(ctx, prefix)
}

func (s *spread) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	return s.next().Commit(ctx, ops...)
}

func (s *spread) Touch(ctx context.Context, touches []session.Touch, keys []session.KeyTouch) error {
	return s.next().Touch(ctx, touches, keys)
}

func (s *spread) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return s.next().Sweep(ctx, now, limit)
}

func (s *spread) Judged(ctx context.Context, id session.ID, subject string) (session.Judged, error) {
	return s.next().Judged(ctx, id, subject)
}

func (s *spread) Against(ctx context.Context, subject string) (session.Marks, error) {
	return s.next().Against(ctx, subject)
}

func TestPostgres_SeveralProcesses(t *testing.T) { sessiontest.Run(t, openSpread) }

func TestPostgres_EndRacesInsert(t *testing.T) {
	s := openSpread(t)
	both := func(a, b func()) {
		var wg sync.WaitGroup
		wg.Go(a)
		wg.Go(b)
		wg.Wait()
	}
	t.Run("a record that another process inserts never outlives the end of its lineage", func(t *testing.T) {
		for n := range 200 {
			r := postgresRecord(n)
			both(func() {
				if _, err := s.Commit(t.Context(), session.Insert{Record: r}); err != nil && !errors.Is(err, session.ErrEnded) {
					t.Error(err)
				}
			}, func() {
				if _, err := s.Commit(t.Context(), session.EndLineage{Lineage: r.Lineage, At: epoch, Keep: epoch}); err != nil {
					t.Error(err)
				}
			})
			if got, err := s.Head(t.Context(), r.ID); err != nil || got != nil && got.State != session.StateEnded {
				t.Fatalf("round %d: %+v, %v", n, got, err)
			}
		}
	})
	t.Run("an answered mark is seen by everybody, whoever logs in meanwhile", func(t *testing.T) {
		for n := range 100 {
			r := postgresRecord(1<<16 | n)
			r.Kind, r.Subject = session.Authenticated, "u1"
			both(func() {
				before, err := s.Marks(t.Context())
				if err != nil {
					t.Error(err)
				}
				r.Born = before.Sequence
				if _, err := s.Commit(t.Context(), session.Insert{Record: r}); err != nil {
					t.Error(err)
				}
			}, func() {
				res, err := s.Commit(t.Context(), session.EndSubject{Subject: "u1", At: epoch, Keep: epoch})
				if err != nil {
					t.Error(err)
				}
				now, err := s.Marks(t.Context())
				if err != nil || now.Subjects["u1"] < res.Mark || now.Sequence < res.Mark {
					t.Errorf("an answered mark %d is not seen: %v, %v", res.Mark, now, err)
				}
			})
		}
	})
	t.Run("marks of different subjects are seen in the order in which they were drawn", func(t *testing.T) {
		var wg sync.WaitGroup
		for _, subject := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				for range 50 {
					if _, err := s.Commit(t.Context(), session.EndSubject{Subject: subject, At: epoch, Keep: epoch}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		over := make(chan struct{})
		go func() { wg.Wait(); close(over) }()
		// Whoever has seen a sequence has seen every mark up to it: the four newest marks leave no gap.
		for done := false; !done; {
			select {
			case <-over:
				done = true
			default:
			}
			j := s.(session.Judge)
			for _, subject := range []string{"a", "b", "c", "d"} {
				first, err := j.Against(t.Context(), subject)
				if err != nil {
					t.Fatal(err)
				}
				again, err := j.Against(t.Context(), subject)
				if err != nil {
					t.Fatal(err)
				}
				if again.Subjects[subject] != first.Subjects[subject] && again.Subjects[subject] <= first.Sequence {
					t.Fatalf("mark %d of %s appeared after the sequence was read as %d", again.Subjects[subject], subject, first.Sequence)
				}
			}
		}
	})
}

func TestPostgres_Sweepers(t *testing.T) {
	s := openSpread(t)
	const n = 500
	var ops []session.Op
	for i := range n {
		ops = append(ops, session.Insert{Record: postgresRecord(i)})
	}
	if _, err := s.Commit(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	var looked atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				k, err := s.Sweep(t.Context(), epoch.AddDate(1, 0, 0), 20)
				if err != nil {
					t.Error(err)
				}
				if looked.Add(int64(k)); k == 0 || err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	left, _, err := s.Scan(t.Context(), "", n)
	if err != nil || len(left) != 0 || looked.Load() != n {
		t.Fatalf("%d left, %d looked at, %v", len(left), looked.Load(), err)
	}
}

func TestPostgres_PgBouncer(t *testing.T) {
	server := testenv.SharedPostgres(t)
	pooler := server.PgBouncer(t, "postgres")
	through := func(t testing.TB) sqlstore.PostgresConfig {
		direct := fresh(t)
		dsn := strings.Replace(pooler, "/postgres", "/"+direct.DSN[len(server.DSN("")):], 1)
		return sqlstore.PostgresConfig{DSN: dsn, WatchDSN: direct.DSN, Connections: 8, Unprepared: true}
	}
	t.Run("store", func(t *testing.T) {
		sessiontest.Run(t, func(t testing.TB) session.Store { return openPostgresAt(t, through(t)) })
	})
	t.Run("watch", func(t *testing.T) {
		sessiontest.RunWatcher(t, func(t testing.TB) (here, there session.Store) {
			cfg := through(t)
			return openPostgresAt(t, cfg), openPostgresAt(t, cfg)
		})
	})
	t.Run("a watch through the pooler is told apart, and why", func(t *testing.T) {
		cfg := through(t)
		cfg.WatchDSN = ""
		if cause := firstLoss(t, openPostgresAt(t, cfg)); cause == "" {
			t.Fatal("no hint")
		}
	})
}

// firstLoss watches until the watch is lost and gives the hint of the cause.
func firstLoss(t *testing.T, s *sqlstore.Postgres) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lost := make(chan string, 1)
	go func() {
		_ = s.Watch(ctx, loss{lost}) // ends with ctx
	}()
	return <-lost
}

// loss hears only of the first loss.
type loss struct{ hint chan string }

func (l loss) Now() time.Time              { return time.Now() }
func (l loss) Began(context.Context) error { return nil }
func (l loss) Changed(session.Change)      {}
func (l loss) Alive(time.Time)             {}
func (l loss) Lost(cause error) {
	_, hint := fault.Public(cause)
	select {
	case l.hint <- hint:
	default:
	}
}

// TestPostgres_Bound: packets between a process and PostgreSQL are lost without a word.
func TestPostgres_Bound(t *testing.T) {
	server := testenv.SharedPostgres(t)
	address := fmt.Sprintf("127.0.0.1:%d", server.Port)
	databases := map[testing.TB]sqlstore.PostgresConfig{}
	sessiontest.RunCut(t, address, func(t testing.TB, through string) session.Store {
		cfg, ok := databases[t]
		if !ok {
			cfg = fresh(t)
			databases[t] = cfg
		}
		if through != "" {
			cfg.DSN = strings.Replace(cfg.DSN, address, through, 1)
		}
		return openPostgresAt(t, cfg)
	})
}

func TestMigratePostgres(t *testing.T) {
	server := testenv.SharedPostgres(t)
	cfg := sqlstore.PostgresConfig{DSN: server.DSN(server.Database(t))}
	t.Run("what is to do is said, and nothing done", func(t *testing.T) {
		for range 2 {
			steps, err := sqlstore.PostgresMigrations(t.Context(), cfg)
			if err != nil || len(steps) == 0 || !steps[0].Applied.IsZero() {
				t.Fatalf("got %+v, %v", steps, err)
			}
		}
	})
	t.Run("of several at once each step is carried out by one", func(t *testing.T) {
		var wg sync.WaitGroup
		var now atomic.Int64
		var steps int
		for i := range 3 {
			wg.Go(func() {
				done, err := sqlstore.MigratePostgres(t.Context(), cfg)
				if err != nil {
					t.Error(err)
				}
				for _, s := range done {
					if s.Applied.IsZero() {
						t.Errorf("%s is not done", s.Name)
					}
					if s.Now {
						now.Add(1)
					}
				}
				if i == 0 {
					steps = len(done)
				}
			})
		}
		wg.Wait()
		if int(now.Load()) != steps || steps == 0 {
			t.Fatalf("%d steps were carried out, there are %d", now.Load(), steps)
		}
	})
	t.Run("and again is nothing", func(t *testing.T) {
		steps, err := sqlstore.MigratePostgres(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if s.Now {
				t.Errorf("%s was carried out again", s.Name)
			}
		}
	})
}
