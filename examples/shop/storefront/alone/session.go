package alone

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"crossfade.dev/crossfade/client"
)

// Session is one session. Its zero value is an empty guest session.
type Session struct {
	User string // the subject; empty for a guest
	Down error  // what reading and writing answer; nil: they work
	// BeforeWrite runs ahead of a write of a page: the place where a test lets another tab be faster.
	BeforeWrite func()

	mu      sync.Mutex
	version uint64
	values  map[string]json.RawMessage
	written map[string]uint64 // version of the last write or deletion of a key
}

// Subject is User.
func (s *Session) Subject() string { return s.User }

// Fill sets values behind the back of every page, as the other system or another tab would.
func (s *Session) Fill(values map[string]any) error {
	return s.patch(client.Change{Set: values}, 0)
}

// Kept is the JSON text of a value; empty if there is none.
func (s *Session) Kept(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.values[key])
}

func (s *Session) patch(change client.Change, seen uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Down != nil {
		return s.Down
	}
	for _, key := range change.Unchanged {
		if s.written[key] > seen {
			return fmt.Errorf("%w: %s was written by another request", client.ErrConflict, key)
		}
	}
	texts := make(map[string]json.RawMessage, len(change.Set))
	for key, v := range change.Set {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", client.ErrInvalid, key, err)
		}
		texts[key] = text
	}
	s.apply(texts, change.Delete)
	return nil
}

func (s *Session) apply(set map[string]json.RawMessage, remove []string) {
	if s.values == nil {
		s.values, s.written = map[string]json.RawMessage{}, map[string]uint64{}
	}
	s.version++
	for key, text := range set {
		s.values[key], s.written[key] = text, s.version
	}
	for _, key := range remove {
		delete(s.values, key)
		s.written[key] = s.version
	}
}

// view is a session as one request sees it: it remembers the version that it read.
type view struct {
	*Session
	seen uint64
}

func (v *view) Values(context.Context) (map[string]json.RawMessage, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.Down != nil {
		return nil, v.Down
	}
	v.seen = v.version
	return maps.Clone(v.values), nil
}

func (v *view) Patch(_ context.Context, change client.Change) error {
	if hook := v.BeforeWrite; hook != nil {
		hook()
	}
	return v.patch(change, v.seen)
}
