package edge

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

// storeCall asks the session store something within the deadline that holds: its own, or under the kill
// switch a short one behind the breaker, so that a store that is down costs nearly nothing.
func storeCall[T any](e *Edge, ctx context.Context, killed bool, call func(context.Context) (T, error)) (T, error) {
	limit := e.cfg.Handover.StoreDeadline
	if killed {
		limit = e.cfg.Handover.KillDeadline
	}
	return storeWithin(e, ctx, killed, limit, call)
}

// storeWrite has the session store write something durable. It gets the store's own deadline also under the
// kill switch: there is nothing to fall back on, and a store that is merely slow would cost visitors their
// carts. Only the breaker holds it back.
func storeWrite[T any](e *Edge, ctx context.Context, killed bool, call func(context.Context) (T, error)) (T, error) {
	return storeWithin(e, ctx, killed, e.cfg.Handover.StoreDeadline, call)
}

func storeWithin[T any](e *Edge, ctx context.Context, killed bool, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	if killed && !e.breaker.allow(e.deps.Clock()) {
		var none T
		return none, errBreaker
	}
	patience := withPatience(ctx, limit)
	defer patience.done()
	out, err := call(patience)
	if !errors.Is(ctx.Err(), context.Canceled) { // a visitor who went away says nothing about the store
		e.breaker.report(fault.CodeOf(err) != fault.Unavailable, e.deps.Clock())
	}
	return out, err
}

var errBreaker = fault.New(fault.Unavailable, "the session store did not answer lately")

// resolve is [Sessions.Resolve] within the deadline that holds.
func (e *Edge) resolve(ctx context.Context, token string, killed bool) session.Resolution {
	limit := e.cfg.Handover.StoreDeadline
	if killed {
		if !e.breaker.allow(e.deps.Clock()) {
			return session.Resolution{Worth: session.WorthUnknown}
		}
		limit = e.cfg.Handover.KillDeadline
	}
	patience := withPatience(ctx, limit)
	defer patience.done()
	r := e.deps.Sessions.Resolve(patience, token)
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.breaker.report(r.Worth != session.WorthUnknown && !r.Stale, e.deps.Clock())
	}
	return r
}

// bridgeTrouble says that the bridge does not answer, not more often than every ten seconds: without it a
// wrong secret shows in nothing but visitors who never move.
func (e *Edge) bridgeTrouble(request string, err error) {
	if !e.troubled.due(e.deps.Clock()) {
		return
	}
	_, hint := fault.Public(err)
	e.deps.Log.Warn("the bridge does not answer: visitors stay where they are", "request", request, "error", firstLine(err), "hint", hint)
}

// seldom lets something be said every ten seconds at most.
type seldom struct{ last atomic.Int64 } // Unix seconds

func (s *seldom) due(at time.Time) bool {
	now, last := at.Unix(), s.last.Load()
	return (now-last >= 10 || last == 0) && s.last.CompareAndSwap(last, now)
}

// firstLine keeps a debug page that came with an error out of the log.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// inspect is [legacy.Bridge.Inspect] within the bridge's deadline.
func (e *Edge) inspect(ctx context.Context, key string) (legacy.View, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.Handover.BridgeDeadline)
	defer cancel()
	return e.deps.Bridge.Inspect(ctx, key)
}

// presented tells the session plane that a browser brought a legacy key.
func (e *Edge) presented(ctx context.Context, key string) {
	patience := withPatience(ctx, e.cfg.Handover.StoreDeadline)
	defer patience.done()
	e.deps.Sessions.Presented(patience, key)
}
