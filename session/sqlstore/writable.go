package sqlstore

import (
	"context"

	"crossfade.dev/crossfade/session"
)

// Writable says why the database refuses writes, or nil. It costs nothing as long as writes succeed; after
// one has failed each call tries another, until one is durable again.
func (s *Store) Writable(ctx context.Context) error {
	if !s.writer.failing.Load() {
		return nil
	}
	_, err := s.writer.carry(ctx, func(t *tx) (session.Result, error) {
		_, err := t.exec(stProbe)
		if err == nil {
			_, err = t.exec(stProbed)
		}
		return session.Result{}, err
	})
	if err == nil {
		s.writer.failing.Store(false)
	}
	return err
}
