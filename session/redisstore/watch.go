package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

const (
	// signEvery is how often each server is asked for a sign of life on the very connection that tells.
	signEvery = 200 * time.Millisecond
	// signLimit is how long one may take; caches are trusted less long than that.
	signLimit = 2 * time.Second
	// The pauses between attempts to watch again.
	firstPause, lastPause = 20 * time.Millisecond, 2 * time.Second
)

// Watch tells w what scripts publish in the moment that they write. A server answers on a connection in the order
// in which things happened, so an answer to a question there proves that everything before it has been told. See
// session.Watcher.
func (s *Store) Watch(ctx context.Context, w session.Watching) error {
	l := &listener{w: w}
	defer l.close()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began, err := s.watchOnce(ctx, l)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if began {
			pause = firstPause
			l.lost(err)
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// watchOnce watches until something fails.
func (s *Store) watchOnce(ctx context.Context, l *listener) (began bool, _ error) {
	ears, err := s.ears(ctx)
	defer func() {
		for _, e := range ears {
			e.hangUp()
		}
	}()
	if err != nil {
		return false, trouble(err, "watch")
	}
	for _, e := range ears {
		if err := e.listen(ctx, l); err != nil {
			return false, trouble(err, "watch")
		}
	}
	// A primary that lost its last writes would draw marks again.
	if err := s.lift(ctx); err != nil {
		return false, err
	}
	if err := l.begin(ctx); err != nil {
		return false, err
	}
	tick := time.NewTicker(signEvery)
	defer tick.Stop()
	for {
		asOf := l.w.Now()
		if err := signs(ctx, ears); err != nil {
			return true, trouble(err, "watch")
		}
		l.alive(asOf)
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-tick.C:
		}
	}
}

// ear is a connection to one primary on which changes come in.
type ear struct {
	server   server
	conn     rueidis.DedicatedClient
	release  func()
	channels []string
	slots    string // of a cluster: which it serves
	gone     <-chan error
}

// ears opens a connection to each primary.
func (s *Store) ears(ctx context.Context) (out []*ear, _ error) {
	if !s.keys.cluster {
		conn, release := s.client.Dedicate()
		return []*ear{{conn: conn, release: release, channels: []string{s.keys.channel("")}}}, nil
	}
	servers, err := s.primaries(ctx)
	if err != nil {
		return nil, err
	}
	covered := 0
	for _, sv := range servers {
		conn, release := sv.client.Dedicate()
		e := &ear{server: sv, conn: conn, release: release}
		out = append(out, e)
		view, err := e.view(ctx)
		if err != nil {
			return out, err
		}
		e.slots = view.text
		for _, slot := range view.slots {
			e.channels = append(e.channels, s.keys.slotChannel(slot))
		}
		covered += len(view.slots)
	}
	if covered != slotCount {
		return out, fmt.Errorf("CLUSTERDOWN %d of %d slots are served", covered, slotCount)
	}
	return out, nil
}

func (e *ear) hangUp() {
	e.conn.Close()
	e.release()
}

// listen subscribes; what comes in goes to l.
func (e *ear) listen(ctx context.Context, l *listener) error {
	e.gone = e.conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) { l.hear(m.Message) }})
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if e.slots == "" {
		return e.conn.Do(ctx, e.conn.B().Subscribe().Channel(e.channels...).Build()).Error()
	}
	cmds := make([]rueidis.Completed, len(e.channels))
	for i, c := range e.channels {
		cmds[i] = e.conn.B().Ssubscribe().Channel(c).Build()
	}
	for _, res := range e.conn.DoMulti(ctx, cmds...) {
		if err := res.Error(); err != nil {
			return err
		}
	}
	return nil
}

// signs asks all primaries at once whether they are who they were.
func signs(ctx context.Context, ears []*ear) error {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	errs := make([]error, len(ears))
	var all sync.WaitGroup
	for i, e := range ears {
		all.Go(func() { errs[i] = e.sign(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

var errChanged = errors.New("the servers of the session store have changed their parts")

// sign asks for a sign of life: a server that is a primary no more, serves other slots, hands one over, or is cut
// off from its cluster, gives none.
func (e *ear) sign(ctx context.Context) error {
	select {
	case err := <-e.gone:
		if err == nil {
			err = errChanged
		}
		return err
	default:
	}
	if e.slots == "" {
		role, err := e.conn.Do(ctx, e.conn.B().Role().Build()).ToArray()
		if err == nil && text(role, 0) != "master" {
			err = errChanged
		}
		return err
	}
	view, err := e.view(ctx)
	if err == nil && view.text != e.slots {
		err = errChanged
	}
	if err != nil {
		return err
	}
	// A channel's name falls into a slot that is served here, so a key of that name does too.
	err = e.conn.Do(ctx, e.conn.B().Get().Key(e.channels[0]).Build()).Error()
	if rueidis.IsRedisNil(err) {
		err = nil
	}
	return err
}

func (e *ear) view(ctx context.Context) (clusterView, error) {
	text, err := e.conn.Do(ctx, e.conn.B().ClusterNodes().Build()).ToString()
	if err != nil {
		return clusterView{}, err
	}
	return parseView(text)
}
