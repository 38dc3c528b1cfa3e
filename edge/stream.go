package edge

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// streams closes long-lived responses (WebSocket, server-sent events) within the configured bound of
// their session's end, and when the kill switch takes the visitor away from new. One goroutine looks at
// all of them while there are any.
type streams struct {
	e      *Edge
	mu     sync.Mutex
	open   map[*stream]struct{}
	stop   chan struct{} // closes the goroutine; nil: none runs
	closed bool
	wait   sync.WaitGroup
}

// stream is one response that goes on.
type stream struct {
	owner   *streams
	body    io.ReadCloser
	token   string
	visitor rollout.Visitor
	once    sync.Once
}

func newStreams(e *Edge) *streams { return &streams{e: e, open: map[*stream]struct{}{}} }

// watch registers a response that will go on, if it belongs to a session of ours. Streams on a legacy
// session are legacy's to close.
func (s *streams) watch(t *trip, res *http.Response) {
	upgraded := res.StatusCode == http.StatusSwitchingProtocols
	if t.verdict.session == nil || t.tools.active || (!upgraded && !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")) {
		return
	}
	token := t.token
	if t.verdict.issued != nil {
		token = t.verdict.issued.Token
	}
	st := &stream{owner: s, body: res.Body, token: token, visitor: rollout.Visitor{
		ID: t.vid, Employee: t.visitor.Employee, Segment: t.visitor.Segment, Sticky: t.visitor.Sticky, Magic: t.magic.ID,
	}}
	if conn, ok := res.Body.(io.ReadWriteCloser); ok && upgraded {
		res.Body = &streamConn{stream: st, Writer: conn}
	} else {
		res.Body = st
	}
	s.add(st)
}

func (s *stream) Read(b []byte) (int, error) { return s.body.Read(b) }

// Close ends the stream, whoever calls it: the proxy when it is over, or the watcher.
func (s *stream) Close() error {
	err := s.body.Close()
	s.once.Do(func() { s.owner.remove(s) })
	return err
}

// streamConn is the stream of an upgraded connection, which is written to as well.
type streamConn struct {
	*stream
	io.Writer
}

func (s *streams) add(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[st] = struct{}{}
	if s.stop == nil && !s.closed {
		s.stop = make(chan struct{})
		s.wait.Add(1)
		go s.run(s.stop)
	}
}

func (s *streams) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
	if len(s.open) == 0 && s.stop != nil {
		close(s.stop)
		s.stop = nil
	}
}

func (s *streams) run(stop chan struct{}) {
	defer s.wait.Done()
	ticker := time.NewTicker(s.e.cfg.Handover.StreamBound)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			s.look()
		}
	}
}

// look closes what must not go on.
func (s *streams) look() {
	s.mu.Lock()
	all := make([]*stream, 0, len(s.open))
	for st := range s.open {
		all = append(all, st)
	}
	s.mu.Unlock()
	for _, st := range all {
		if !s.mayGoOn(st) {
			s.e.obs.Counted(CountStreamClosed, 0)
			_ = st.Close() // it is being thrown away
		}
	}
}

// mayGoOn asks for the session again. A store that cannot say closes nothing: the stream was good when it
// was last asked, and closing all streams would be an outage of its own.
func (s *streams) mayGoOn(st *stream) bool {
	if standing := s.e.standings.now(); standing.killed {
		if standing.snapshot.Decide(s.e.cfg.Rollout, st.visitor).Reason == rollout.ReasonKill {
			return false
		}
	}
	r := s.e.resolve(context.Background(), st.token, false)
	switch r.Worth {
	case session.WorthEnded, session.WorthExpired, session.WorthInvalid, session.WorthMoved, session.WorthNone:
		return false
	case session.WorthReadOnly:
		return true // its owner logged in a moment ago; when the grace ends it will be invalid
	}
	return true
}

func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	all := make([]*stream, 0, len(s.open))
	for st := range s.open {
		all = append(all, st)
	}
	s.mu.Unlock()
	for _, st := range all {
		_ = st.Close()
	}
	s.wait.Wait()
}
