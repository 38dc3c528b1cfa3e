package sqlstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// channel of the notifications. It is the database's own: other databases of the server have another.
const channel = "crossfade_sessions"

const (
	// lifeEvery is how often the server is asked for a sign of life while it has nothing to tell.
	lifeEvery = 100 * time.Millisecond
	// lifeWithin is when it is given up. The cache's bound is counted from signs of life, not from here.
	lifeWithin = time.Second
	// The pauses between attempts to listen grow from the first to the last.
	firstPause, lastPause = 50 * time.Millisecond, 5 * time.Second
)

// Watch listens on a connection of its own. See session.Watcher.
//
// A notification is delivered after its commit and before its writer is answered, into the queue of every
// listener; and a listener gets what is in its queue before the server says that it is ready for another query.
// So when a query on the listening connection is answered, every commit that was answered before it was sent has
// been told.
func (p *Postgres) Watch(ctx context.Context, w session.Watching) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began, err := p.listen(ctx, w)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.Lost(p.trouble(err, "watch"))
		if began {
			pause = firstPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listen tells w until something fails. began: it had begun.
func (p *Postgres) listen(ctx context.Context, w session.Watching) (began bool, err error) {
	l := &listener{}
	cfg := p.direct.Copy()
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { l.hear(n.Payload) }
	if l.conn, err = pgconn.ConnectConfig(ctx, cfg); err != nil {
		return false, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lifeWithin)
		defer cancel()
		_ = l.conn.Close(closing) // whatever it says, nobody listens any more
	}()
	if err := l.ask(ctx, "LISTEN "+channel); err != nil {
		return false, err
	}
	if err := p.hello(ctx, l); err != nil {
		return false, err
	}
	l.change = session.Change{}
	if err := w.Began(ctx); err != nil {
		return false, err
	}
	for {
		asOf := w.Now()
		if err := l.ask(ctx, ""); err != nil {
			return true, err
		}
		if err := l.tell(w); err != nil {
			return true, err
		}
		w.Alive(asOf)
		if err := l.wait(ctx, w); err != nil {
			return true, err
		}
	}
}

// hello makes sure that what is committed through the pool is heard here: the address may lead to another
// server, to a replica, or through a pooler that gives the listening connection to somebody else.
func (p *Postgres) hello(ctx context.Context, l *listener) error {
	l.greeting = "hello " + rand.Text()
	if err := p.pool.run(ctx, pgHello, []value{words(l.greeting)}, nil); err != nil {
		return err
	}
	if err := l.ask(ctx, ""); err != nil {
		return err
	}
	if !l.greeted {
		return fault.New(fault.Unavailable, "what is written to the session database is not heard where it is listened to").
			WithHint("session.store.watch_dsn has to lead to the same primary and database as dsn, past any pooler in transaction mode")
	}
	return nil
}

// listener is a connection that listens, and what it heard.
type listener struct {
	conn     *pgconn.PgConn
	change   session.Change
	told     []byte // of a commit of which more is to come
	parts    int
	failed   error
	greeting string
	greeted  bool
}

// ask says something to the server and waits for its answer, and with it for what was to be heard before.
func (l *listener) ask(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, lifeWithin)
	defer cancel()
	_, err := l.conn.Exec(ctx, text).ReadAll()
	return err
}

// wait passes on what comes, until it is time to ask again.
func (l *listener) wait(ctx context.Context, w session.Watching) error {
	pausing, cancel := context.WithTimeout(ctx, lifeEvery)
	defer cancel()
	for {
		err := l.conn.WaitForNotification(pausing)
		if err == nil {
			err = l.tell(w)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case pausing.Err() != nil && !l.conn.IsClosed():
			return nil
		default:
			return err
		}
	}
}

// tell passes on what was heard of whole commits.
func (l *listener) tell(w session.Watching) error {
	if l.failed != nil {
		return l.failed
	}
	if c := l.change; len(c.Records)+len(c.Keys)+len(c.Lineages)+len(c.Marks) > 0 {
		w.Changed(c)
	}
	l.change = session.Change{}
	return nil
}

// hear takes one notification. What a commit changed may come in several, numbered from 0, all of them together;
// "." is behind the number of the last.
func (l *listener) hear(payload string) {
	if strings.HasPrefix(payload, "hello ") {
		l.greeted = l.greeted || payload == l.greeting
		return
	}
	end := strings.IndexAny(payload, "+.")
	if end < 0 {
		l.failed = errSaid
		return
	}
	part, err := strconv.Atoi(payload[:end])
	if err != nil || part != l.parts {
		l.failed = errors.Join(errSaid, err)
		return
	}
	l.told, l.parts = append(l.told, payload[end+1:]...), part+1
	if payload[end] == '+' {
		return
	}
	raw, err := base64.StdEncoding.AppendDecode(nil, l.told)
	l.told, l.parts = l.told[:0], 0
	if err != nil {
		l.failed = errSaid
		return
	}
	s, err := readSaid(raw)
	if err != nil {
		l.failed = err
		return
	}
	c := &l.change
	c.Records, c.Keys = append(c.Records, s.Records...), append(c.Keys, s.Keys...)
	c.Lineages, c.Marks = append(c.Lineages, s.Lineages...), append(c.Marks, s.Marks...)
}
