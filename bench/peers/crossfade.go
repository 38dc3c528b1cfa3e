package peers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
	"crossfade.dev/crossfade/session/sqlstore"
)

// plane is Crossfade's session manager in the process that asks it.
type plane struct {
	m      *session.Manager
	ring   *keyring.Ring
	store  closer
	tokens []string
	ids    []session.ID
	stop   context.CancelFunc
}

type closer interface {
	session.Store
	Close() error
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// openCrossfade trusts its cache, kept true by the store's watch, or asks the store at each check.
func openCrossfade(o Opening, cached bool) (sessions, error) { return openPlane(o, cached) }

func openPlane(o Opening, cached bool) (*plane, error) {
	secret := make([]byte, keyring.MinSecret)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: secret})
	if err != nil {
		return nil, err
	}
	store, err := openStore(o)
	if err != nil {
		return nil, err
	}
	cfg := session.Config{}
	if !cached { // a millisecond is the precision of the manager's clock, and of what is asked for in turn nothing is kept
		cfg = session.Config{CacheFor: time.Millisecond, CacheSize: 1}
	}
	m, err := session.New(cfg, store, ring, time.Now, rand.Reader, quiet)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	m.Start(ctx) // it watches the store, writes activity down and cleans up meanwhile, as in production
	p := &plane{m: m, ring: ring, store: store, stop: stop, tokens: make([]string, o.Sessions), ids: make([]session.ID, o.Sessions)}
	return p, p.fill()
}

func openStore(o Opening) (closer, error) {
	ctx := context.Background()
	switch o.Store {
	case "sqlite":
		return sqlstore.Open(ctx, sqlstore.Config{Path: filepath.Join(o.Dir, "session.db")}, quiet)
	case "postgres":
		cfg := sqlstore.PostgresConfig{DSN: o.Postgres}
		if _, err := sqlstore.MigratePostgres(ctx, cfg); err != nil {
			return nil, err
		}
		return sqlstore.OpenPostgres(ctx, cfg, quiet)
	case "redis":
		return redisstore.Open(ctx, redisstore.Config{Addresses: []string{o.Redis}}, time.Now, quiet)
	}
	return nil, fmt.Errorf("no store %q here", o.Store)
}

// fill logs everybody in, and has each session used once, so that none is in its first use any more.
func (p *plane) fill() error {
	return parallel(len(p.tokens), func(i int) error {
		issued, err := p.open(customer(i))
		if err != nil {
			return err
		}
		p.tokens[i], p.ids[i] = issued.Token, issued.Session.ID
		return p.check(i)
	})
}

func (p *plane) version() string { return "this checkout" }

func (p *plane) open(subject string) (session.Issued, error) {
	return p.m.Upgrade(context.Background(), session.Upgrade{
		Visitor: session.VisitorID{1}, Subject: subject, AuthTime: time.Now(), Methods: []string{"pwd"}, Born: p.m.CurrentMark(),
		Set: map[string]json.RawMessage{"cart": json.RawMessage(cart)},
	})
}

func (p *plane) check(i int) error {
	if r := p.m.Resolve(context.Background(), p.tokens[i]); r.Worth != session.WorthLive {
		return fmt.Errorf("a live session is %v", r.Worth)
	}
	return nil
}

func (p *plane) create() error {
	g := p.m.NewGuest(session.VisitorID{1}).Session
	_, err := p.m.Patch(context.Background(), session.Patch{
		Set:   map[string]json.RawMessage{"cart": json.RawMessage(cart)},
		Guest: &session.GuestProof{ID: g.ID, Visitor: g.Visitor, Issued: g.Created, ExpiresAt: g.ExpiresAt, Born: g.Born},
	})
	return err
}

func (p *plane) login(i int) error {
	issued, err := p.m.Upgrade(context.Background(), session.Upgrade{
		ID: p.ids[i], Subject: customer(i), AuthTime: time.Now(), Methods: []string{"pwd"}, Born: p.m.CurrentMark(),
	})
	if err == nil {
		p.tokens[i], p.ids[i] = issued.Token, issued.Session.ID
	}
	return err
}

func (p *plane) own(subject string, live, dead int) error {
	if err := parallel(dead, func(int) error {
		issued, err := p.open(subject)
		if err == nil {
			_, err = p.m.End(context.Background(), session.End{ID: issued.Session.ID, Reason: "logout"})
		}
		return err
	}); err != nil {
		return err
	}
	return parallel(live, func(int) error { _, err := p.open(subject); return err })
}

func (p *plane) endAll(subject string) (int, error) {
	out, err := p.m.End(context.Background(), session.End{Subject: subject, Reason: "logout everywhere"})
	return out.Sessions, err
}

func (p *plane) list(subject string) (n int, err error) {
	for page := ""; ; {
		var some []*session.Session
		if some, page, err = p.m.List(context.Background(), subject, page, 100); err != nil {
			return n, err
		}
		if n += len(some); page == "" {
			return n, nil
		}
	}
}

func (p *plane) close() error {
	p.m.Stop(context.Background())
	p.stop()
	return p.store.Close()
}
