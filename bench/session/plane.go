package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"crossfade.dev/crossfade/bench/measure"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// plane is a session plane with sessions in it, in two forms: one manager that trusts its cache, and one
// that asks the store each time.
type plane struct {
	dir      string
	ring     *keyring.Ring
	store    *sqlstore.Store
	caching  *session.Manager
	reading  *session.Manager
	ids      []session.ID
	tokens   []string
	guests   []string // tokens with nothing behind them
	fresh    int      // databases made for creates
	bytes    measure.Series
	starting context.CancelFunc
}

// cart is what a guest's first write holds: what a shop keeps in a session before the login.
var cart = map[string]json.RawMessage{
	"cart":       json.RawMessage(`{"store":"riverside","items":[{"sku":"12-331","n":2},{"sku":"31-008","n":1}],"note":""}`),
	"_csrftoken": json.RawMessage(`"q3zJ8sKx0Yb1mTn5vRw7LdPfGhUe2CaO"`),
	"lang":       json.RawMessage(`"en"`),
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func openPlane(dir string, sessions int) (_ *plane, err error) {
	secret := make([]byte, keyring.MinSecret)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	p := &plane{dir: dir, starting: func() {}}
	if p.ring, err = keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: secret}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.store, err = sqlstore.Open(context.Background(), sqlstore.Config{Path: filepath.Join(dir, "session.db")}, quiet); err != nil {
		return nil, err
	}
	if p.caching, err = p.manager(p.store, session.Config{}); err != nil {
		return nil, err
	}
	// A millisecond is the precision of the manager's clock: nothing that is asked for in turn among many
	// is still believed.
	if p.reading, err = p.manager(p.store, session.Config{CacheFor: time.Millisecond, CacheSize: 1}); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, p.starting = context.WithCancel(context.Background())
	p.caching.Start(ctx) // it writes activity down and cleans up meanwhile, as in production
	return p, p.fill(sessions)
}

func (p *plane) manager(store session.Store, cfg session.Config) (*session.Manager, error) {
	return session.New(cfg, store, p.ring, time.Now, rand.Reader, quiet)
}

// fill makes the sessions that the cases are about, many at a time to be done soon, and has each of them
// used once, so that none is in its first use any more.
func (p *plane) fill(n int) error {
	const at = 256
	p.ids, p.tokens, p.guests = make([]session.ID, n), make([]string, n), make([]string, n)
	errs := make([]error, at)
	var wait sync.WaitGroup
	for worker := range at {
		wait.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += at {
				errs[worker] = p.make(i)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (p *plane) make(i int) error {
	issued, err := create(p.caching)
	if err != nil {
		return err
	}
	p.ids[i], p.tokens[i] = issued.Session.ID, issued.Token
	p.guests[i] = p.caching.NewGuest(session.VisitorID{1}).Token
	for _, token := range []string{p.tokens[i], p.guests[i]} {
		if r := p.caching.Resolve(context.Background(), token); r.Worth != session.WorthLive {
			return fmt.Errorf("a session that was just made is %v", r.Worth)
		}
	}
	return nil
}

// create is a guest's first write.
func create(m *session.Manager) (*session.Issued, error) {
	g := m.NewGuest(session.VisitorID{1}).Session
	out, err := m.Patch(context.Background(), session.Patch{Set: cart, Guest: &session.GuestProof{
		ID: g.ID, Visitor: g.Visitor, Issued: g.Created, ExpiresAt: g.ExpiresAt, Born: g.Born,
	}})
	return out.Replace, err
}

// creating gives a case a database of its own for each round, so that the fifth does not insert into a
// larger one than the first. Closing it tells how much disk each session takes.
func (p *plane) creating() (op func(int) error, done func(made int) error, err error) {
	p.fresh++
	path := filepath.Join(p.dir, fmt.Sprintf("create-%d.db", p.fresh))
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{Path: path}, quiet)
	if err != nil {
		return nil, nil, err
	}
	m, err := p.manager(store, session.Config{})
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	op = func(int) error { _, err := create(m); return err }
	return op, func(made int) error { return errors.Join(store.Close(), p.weigh(path, made)) }, nil
}

// weigh takes down what a session takes on disk, indices and free space in pages included.
func (p *plane) weigh(path string, sessions int) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if sessions >= 1000 { // of fewer the empty database is most
		p.bytes = append(p.bytes, float64(info.Size())/float64(sessions))
	}
	return os.Remove(path)
}

func (p *plane) close() error {
	p.starting()
	if p.caching != nil {
		p.caching.Stop(context.Background())
	}
	if p.store != nil {
		return p.store.Close()
	}
	return nil
}
