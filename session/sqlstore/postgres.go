package sqlstore

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// PostgresConfig says where the database is and how to speak to it.
type PostgresConfig struct {
	// DSN is the address in libpq's form: a URL or key=value pairs. It holds a password and is never logged.
	DSN string
	// WatchDSN is the address to listen and migrate on, past any pooler, at the same server; default DSN.
	WatchDSN string
	// Connections bounds how many are open besides the one that listens; default 16.
	Connections int
	// Unprepared sends each statement with its text, for poolers that lend another connection each time.
	Unprepared bool
}

func (c PostgresConfig) direct() string {
	if c.WatchDSN != "" {
		return c.WatchDSN
	}
	return c.DSN
}

// Postgres is a session.Store, Judge and Watcher on PostgreSQL, for any number of processes. It is safe for
// concurrent use.
//
// Reading is one statement, one round trip. Writers gather what callers have waiting and send it as one
// statement too: the function commit_1 (postgres/00002_commit.sql) decides each caller's conditions where the
// rows are locked. An answered write is durable as far as the server makes it so. A write whose answer got lost,
// with its connection or in time, may have happened: that is the fault's text, and the watch tells what it was.
type Postgres struct {
	reads
	cfg     PostgresConfig
	log     *slog.Logger
	direct  *pgconn.Config
	pool    *pgPool
	queue   *queue
	failing atomic.Bool // a batch has failed, and no write has succeeded since
	ended   sync.WaitGroup
	close   sync.Once
}

var (
	_ session.Store   = (*Postgres)(nil)
	_ session.Watcher = (*Postgres)(nil)
	_ session.Judge   = (*Postgres)(nil)
)

// pgWriters is how many batches are on their way at once. Commits that notify follow one another on the server
// (it holds a lock from the notification to the sync), so a second batch is there to be executed while the first
// is synced, and more would only be smaller.
const pgWriters = 2

// pgBatch bounds a batch: a caller who writes several records takes a subtransaction, and a transaction with
// more than 64 of them slows every reader of the server down.
const pgBatch = 64

// OpenPostgres opens a database whose schema is there and up to date. What stands in the way is a fault that says
// what to do.
func OpenPostgres(ctx context.Context, cfg PostgresConfig, log *slog.Logger) (_ *Postgres, err error) {
	if cfg.Connections <= 0 {
		cfg.Connections = 16
	}
	p := &Postgres{cfg: cfg, log: log}
	p.ask = p.read
	if p.direct, err = parseDSN(cfg.direct(), "session.store.watch_dsn"); err != nil {
		return nil, err
	}
	if err := p.check(ctx); err != nil {
		return nil, err
	}
	if p.pool, err = newPgPool(ctx, cfg); err != nil {
		return nil, err
	}
	p.queue = newQueue(pgBatch, false, p.trouble)
	for range pgWriters {
		p.ended.Go(func() { p.queue.run(p.write) })
	}
	return p, nil
}

// Close answers what is waiting to be written, and closes the connections. Closing twice is closing once.
func (p *Postgres) Close() error {
	p.close.Do(func() {
		p.queue.close()
		p.ended.Wait()
		p.pool.close()
	})
	return nil
}

// Writable says why the database refuses writes, or nil. It costs nothing as long as writes succeed; after one
// has failed each call tries another, until one is durable again.
func (p *Postgres) Writable(ctx context.Context) error {
	if !p.failing.Load() {
		return nil
	}
	if err := p.pool.run(ctx, pgProbe, nil, nil); err != nil {
		return p.trouble(err, "write")
	}
	p.succeeded()
	return nil
}

func (p *Postgres) read(ctx context.Context, st reading, each func(row) error, args ...value) error {
	err := p.pool.run(ctx, pgStatement(st), args, each)
	if err != nil && ctx.Err() == nil && disconnected(err) {
		err = p.pool.run(ctx, pgStatement(st), args, each) // reading twice is reading once
	}
	if err != nil {
		return p.trouble(err, "read")
	}
	return nil
}

// check looks at the server with a connection of its own, before anything relies on it.
func (p *Postgres) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	cfg, err := parseDSN(p.cfg.DSN, "session.store.dsn")
	if err != nil {
		return err
	}
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return p.trouble(err, "open")
	}
	defer c.Close(ctx)
	if err := checkServer(ctx, c); err != nil {
		return p.trouble(err, "check")
	}
	have, err := schemaVersion(ctx, c)
	if err != nil {
		return p.trouble(err, "check")
	}
	switch known := latestSchema(); {
	case have < known:
		return fault.New(fault.Precondition, "the session database has schema %d, this program needs %d", have, known).
			WithHint(`run "crossfade store migrate" with this configuration; it is safe while older programs run`)
	case have > known:
		return newerSchema(have, known)
	}
	// See liftMarks: the same reason, and a server that lost its last commits in a failover is one more.
	_, err = c.Exec(ctx, `UPDATE crossfade.counters SET value = greatest(value, extract(epoch FROM clock_timestamp())::bigint) WHERE name = 'mark'`).ReadAll()
	if err != nil {
		return p.trouble(err, "write")
	}
	return nil
}
