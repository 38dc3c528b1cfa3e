package client

import (
	"context"
	"sync"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
)

// The headers by which a response tells the edge what to do with the browser's cookies.
const (
	HeaderSession = "Crossfade-Session"     // a handoff: the browser gets a new token
	HeaderEnd     = "Crossfade-Session-End" // a reason: the browser's cookies are deleted
)

// HeaderContext is the request header that carries the context.
const HeaderContext = contextjwt.Header

type sessionKey struct{}

// SessionFromContext gives the session of the request that a context belongs to. Outside of the middleware
// it is a visitor without a session. It is never nil.
func SessionFromContext(ctx context.Context) *Session {
	if s, ok := ctx.Value(sessionKey{}).(*Session); ok {
		return s
	}
	return &Session{claims: &contextjwt.Claims{}, out: &Reply{}}
}

// Open verifies what came in the header [HeaderContext], and gives a context for the handler that
// [SessionFromContext] finds the session in. It is for those who connect another transport than net/http;
// services use [Client.Middleware] or package clientgrpc. Errors: [ErrContext] for a request that did not
// come through the edge, [ErrUnavailable] while the keys cannot be fetched.
func (c *Client) Open(ctx context.Context, contexts []string) (context.Context, *Reply, error) {
	token, claims := "", &contextjwt.Claims{}
	switch {
	case len(contexts) == 0 && c.cfg.AllowWithoutContext:
	case len(contexts) != 1:
		return nil, nil, translatedf(ErrContext, "the request has %d contexts; it did not come through the Crossfade edge", len(contexts))
	default:
		var err error
		token = contexts[0]
		within, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
		if claims, err = c.verifier.Verify(within, token, c.cfg.Name); err != nil {
			return nil, nil, refused(err)
		}
	}
	reply := &Reply{}
	s := &Session{client: c, token: token, claims: claims, out: reply}
	return context.WithValue(ctx, sessionKey{}, s), reply, nil
}

func refused(err error) error {
	kind := ErrContext
	if fault.CodeOf(err) == fault.Unavailable {
		kind = ErrUnavailable
	}
	return withHint(kind, err)
}

// Reply is what the response to one request has to tell the edge. It is safe for concurrent use.
type Reply struct {
	mu      sync.Mutex
	begun   bool
	handoff string
	ended   string
}

// Begin is called right before the headers of the response leave. It gives the header that they need
// besides, once; an empty name: none. From then on what needs a new token is refused with [ErrTooLate].
func (r *Reply) Begin() (header, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return "", ""
	}
	r.begun = true
	switch {
	case r.ended != "":
		return HeaderEnd, r.ended
	case r.handoff != "":
		return HeaderSession, r.handoff
	}
	return "", ""
}

// hand keeps a handoff for the response; false if that has begun without one.
func (r *Reply) hand(handoff string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return r.handoff != "" // the browser gets the same token with the one that was sent
	}
	r.handoff = handoff
	return true
}

func (r *Reply) end(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = reason
}

func (r *Reply) hasBegun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun
}

// Context is the signed context that this request came with, for a call to a service behind this one, in the
// header [HeaderContext]. It proves the visitor for half a minute, so it belongs in no log. The service that
// is called has this one's [Config.Name] and its secret: the context was made for that name. Empty where the
// request came without.
func (s *Session) Context() string { return s.token }

// TakeOver passes on what a service that was called with [Session.Context] said about the session in its
// answer: the values of [HeaderSession] and [HeaderEnd], empty where there was none. What was read of the
// session is forgotten.
func (s *Session) TakeOver(session, end string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case end != "":
		s.forget()
		s.ended = true
		s.out.end(end)
	case session != "":
		s.forget()
		s.written = true
		return s.hand(session)
	}
	return nil
}
