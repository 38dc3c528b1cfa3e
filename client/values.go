package client

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
)

// Get decodes the JSON value of a key into v; false if there is none. The first read of a request asks
// the API for all values, the others are answered from it. A guest who has written nothing costs no call.
func (s *Session) Get(ctx context.Context, key string, v any) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return false, err
	}
	raw, ok := s.values[key]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return true, errorf("session value %q: %w", key, err)
	}
	return true, nil
}

// Values gives all values that this service may see, as JSON texts. The map is the caller's own.
func (s *Session) Values(ctx context.Context) (map[string]json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return maps.Clone(s.values), nil
}

// Refresh forgets what was read, so that the next read asks the API again.
func (s *Session) Refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
}

func (s *Session) forget() {
	s.read, s.failed, s.values, s.version, s.wrote = false, nil, nil, 0, nil
}

// load reads the values, once. A failure is kept as well: a page that asks for five values should not
// wait five times for an API that does not answer.
func (s *Session) load(ctx context.Context) error {
	if s.read {
		return s.failed
	}
	s.values = map[string]json.RawMessage{}
	if !s.Exists() || s.ended || (s.claims.Unwritten && !s.written) {
		s.read = true
		return nil
	}
	ctx, cancel := s.deadline(ctx)
	defer cancel()
	got, err := s.client.sessions.Get(ctx, &sessionv1.GetRequest{Session: s.selector()})
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return translate(err) // the caller left, which says nothing about the API
	}
	s.read, s.failed = true, translate(err)
	for key, value := range got.GetAttributes().GetValues() {
		s.values[key] = json.RawMessage(value)
	}
	s.version = got.GetSession().GetVersion()
	return s.failed
}

// Change is what [Session.Patch] writes, all or nothing.
type Change struct {
	// Set holds values that are marshalled as JSON; a json.RawMessage is written as it is.
	Set    map[string]any
	Delete []string
	// Unchanged names keys that must not have changed since this request read them; a key that was
	// absent must still be. Otherwise nothing is written, and the error is [ErrConflict].
	Unchanged []string
	// Idle is how long the session shall live unused from now on; 0: as it is.
	Idle time.Duration
}

// Set writes one value; other keys stay as they are, whoever writes them at the same time.
func (s *Session) Set(ctx context.Context, key string, value any) error {
	return s.Patch(ctx, Change{Set: map[string]any{key: value}})
}

// Delete removes keys. Those that are absent do not matter.
func (s *Session) Delete(ctx context.Context, keys ...string) error {
	return s.Patch(ctx, Change{Delete: keys})
}

// Patch writes a change. A guest's first write must come before the response begins, because the browser
// gets a new token with it; later it is refused with [ErrTooLate].
func (s *Session) Patch(ctx context.Context, change Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayWrite(); err != nil {
		return err
	}
	in, err := s.patchRequest(ctx, change)
	if err != nil {
		return err
	}
	ctx, cancel := s.deadline(ctx)
	defer cancel()
	done, err := s.client.sessions.Patch(ctx, in)
	if err != nil {
		if err = translate(err); errors.Is(err, ErrConflict) {
			s.forget()
			s.written = true // somebody else was faster, if there was no record
		}
		return err
	}
	s.remember(in, done)
	return s.hand(done.GetHandoff())
}

func (s *Session) mayWrite() error {
	switch {
	case !s.Exists():
		return translated(ErrNoSession, "this visitor has no session in the new system; write for visitors for whom Exists is true")
	case s.ended:
		return translated(ErrNotLive, "this request has ended the session")
	case s.claims.ReadOnly:
		return translated(ErrNotLive, "the request came with a cookie that a login has replaced; let the browser send it again")
	case s.claims.Unwritten && !s.written && s.out.hasBegun():
		return translated(ErrTooLate, "write a guest's first values before the first byte of the response")
	}
	return nil
}

func (s *Session) patchRequest(ctx context.Context, change Change) (*sessionv1.PatchRequest, error) {
	in := &sessionv1.PatchRequest{
		Session: s.selector(), Delete: change.Delete, IdleSeconds: int64(change.Idle / time.Second),
		Set: &sessionv1.Attributes{Values: make(map[string]string, len(change.Set))},
	}
	for key, value := range change.Set {
		raw, verbatim := value.(json.RawMessage)
		if !verbatim {
			var err error
			if raw, err = json.Marshal(value); err != nil {
				return nil, translated(ErrInvalid, "session value "+key+": "+err.Error())
			}
		}
		in.Set.Values[key] = string(raw)
	}
	if len(change.Unchanged) == 0 {
		return in, nil
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	in.IfVersion = make(map[string]uint64, len(change.Unchanged))
	for _, key := range change.Unchanged {
		in.IfVersion[key] = s.seen(key)
	}
	return in, nil
}

// seen is the version up to which this request knows a key: 0 if it knows that there is none.
func (s *Session) seen(key string) uint64 {
	if v, ok := s.wrote[key]; ok {
		return v
	}
	if _, ok := s.values[key]; ok {
		return s.version
	}
	return 0
}

// remember takes over what was written. Keys that others wrote meanwhile stay as this request read them,
// at the version of that read.
func (s *Session) remember(in *sessionv1.PatchRequest, done *sessionv1.PatchResponse) {
	s.written = s.written || done.GetSession().GetWritten()
	if !s.read || s.failed != nil {
		s.forget()
		return
	}
	if s.wrote == nil {
		s.wrote = map[string]uint64{}
	}
	for _, key := range in.GetDelete() {
		delete(s.values, key)
		s.wrote[key] = 0
	}
	for key, value := range in.GetSet().GetValues() {
		s.values[key] = json.RawMessage(value)
		s.wrote[key] = done.GetVersion()
	}
}

// Update changes one value by a rule, again with the newest value if another request was faster. T is the
// value's type; the rule gets its zero value if there is none. An error of the rule is returned as it is.
func Update[T any](ctx context.Context, s *Session, key string, rule func(T) (T, error)) error {
	const attempts = 5
	for n := 1; ; n++ {
		var value T
		if _, err := s.Get(ctx, key, &value); err != nil {
			return err
		}
		next, err := rule(value)
		if err != nil {
			return err
		}
		err = s.Patch(ctx, Change{Set: map[string]any{key: next}, Unchanged: []string{key}})
		if !errors.Is(err, ErrConflict) || n == attempts {
			return err
		}
	}
}

// Rotate replaces the browser's token, for instance after something happened that others may have seen
// it by. The old one goes on working for a short grace.
func (s *Session) Rotate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayWrite(); err != nil {
		return err
	}
	if s.out.hasBegun() {
		return translated(ErrTooLate, "rotate before the first byte of the response")
	}
	ctx, cancel := s.deadline(ctx)
	defer cancel()
	done, err := s.client.sessions.Rotate(ctx, &sessionv1.RotateRequest{Session: s.selector()})
	if err != nil {
		return translate(err)
	}
	return s.hand(done.GetHandoff())
}

// End logs the visitor out for the reason given ("logout" if empty), in both systems, and has the browser's cookies deleted. If it fails, the
// session lives on: say so, and let the visitor try again. Without a session it does nothing.
func (s *Session) End(ctx context.Context, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Exists() || s.ended {
		return nil
	}
	for _, c := range []byte(reason) {
		if c < ' ' || c > '~' {
			return translated(ErrInvalid, "the reason is not plain ASCII text")
		}
	}
	if reason == "" {
		reason = "logout"
	}
	ctx, cancel := s.deadline(ctx)
	defer cancel()
	_, err := s.client.sessions.End(ctx, &sessionv1.EndRequest{
		Target: &sessionv1.EndRequest_Session{Session: s.selector()}, Reason: reason,
	})
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return translate(err)
	}
	s.forget()
	s.ended = true
	s.out.end(reason)
	return nil
}

func (s *Session) hand(handoff string) error {
	if handoff == "" || s.out.hand(handoff) {
		return nil
	}
	return translated(ErrTooLate, "it was written, but the browser could not get its new token; write before the first byte of the response")
}

func (s *Session) selector() *sessionv1.Selector { return &sessionv1.Selector{Context: s.token} }

func (s *Session) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.client.cfg.Timeout)
}
