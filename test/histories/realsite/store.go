package realsite

import (
	"context"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// failingStore is a store that can be taken away.
type failingStore struct {
	session.Store
	down atomic.Bool
}

func (s *failingStore) err(ctx context.Context) error {
	if s.down.Load() {
		return fault.New(fault.Unavailable, "the session store is down")
	}
	return ctx.Err()
}

// over makes one method of a store fail while it is down.
func over[T any](ctx context.Context, s *failingStore, call func() (T, error)) (T, error) {
	if err := s.err(ctx); err != nil {
		var zero T
		return zero, err
	}
	return call()
}

func (s *failingStore) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	return over(ctx, s, func() (*session.Record, error) { return s.Store.Head(ctx, id) })
}

func (s *failingStore) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	return over(ctx, s, func() (*session.Record, error) { return s.Store.Full(ctx, id) })
}

func (s *failingStore) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	return over(ctx, s, func() ([]*session.Record, error) { return s.Store.Generations(ctx, l) })
}

func (s *failingStore) OfSubject(ctx context.Context, subject string, after session.Cursor, limit int) ([]*session.Record, error) {
	return over(ctx, s, func() ([]*session.Record, error) { return s.Store.OfSubject(ctx, subject, after, limit) })
}

func (s *failingStore) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	return over(ctx, s, func() (bool, error) { return s.Store.Ended(ctx, l) })
}

func (s *failingStore) Key(ctx context.Context, hashes ...session.KeyHash) (*session.Key, error) {
	return over(ctx, s, func() (*session.Key, error) { return s.Store.Key(ctx, hashes...) })
}

func (s *failingStore) Marks(ctx context.Context) (session.Marks, error) {
	return over(ctx, s, func() (session.Marks, error) { return s.Store.Marks(ctx) })
}

func (s *failingStore) Due(ctx context.Context, now time.Time, limit int) ([]session.PendingEnd, error) {
	return over(ctx, s, func() ([]session.PendingEnd, error) { return s.Store.Due(ctx, now, limit) })
}

func (s *failingStore) Outstanding(ctx context.Context) (map[int64][]session.Lineage, error) {
	return over(ctx, s, func() (map[int64][]session.Lineage, error) { return s.Store.Outstanding(ctx) })
}

func (s *failingStore) Notes(ctx context.Context, prefix string) ([]session.Note, error) {
	return over(ctx, s, func() ([]session.Note, error) { return s.Store.Notes(ctx, prefix) })
}

func (s *failingStore) Scan(ctx context.Context, after string, limit int) ([]*session.Record, string, error) {
	if err := s.err(ctx); err != nil {
		return nil, "", err
	}
	return s.Store.Scan(ctx, after, limit)
}

func (s *failingStore) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	return over(ctx, s, func() (session.Result, error) { return s.Store.Commit(ctx, ops...) })
}

func (s *failingStore) Touch(ctx context.Context, touches []session.Touch, keys []session.KeyTouch) error {
	if err := s.err(ctx); err != nil {
		return err
	}
	return s.Store.Touch(ctx, touches, keys)
}

func (s *failingStore) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return over(ctx, s, func() (int, error) { return s.Store.Sweep(ctx, now, limit) })
}
