package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"
)

// errCopies: the primary has a write, but not as many copies of it exist as were asked for.
var errCopies = errors.New("the write has fewer copies than session.store.redis.wait asks for")

func (c Copies) within() time.Duration {
	if c.Within <= 0 {
		return time.Second
	}
	return c.Within
}

// copied carries a call out and waits for its copies, on a connection of its own: the servers count what that
// connection wrote.
func (s *Store) copied(ctx context.Context, c *call) (out rueidis.RedisResult) {
	var short error
	err := s.client.Dedicated(func(d rueidis.DedicatedClient) error {
		out = d.Do(ctx, s.command(c, true))
		if e, ok := rueidis.IsRedisErr(out.Error()); ok && e.IsNoScript() {
			out = d.Do(ctx, s.command(c, false))
		}
		if err := out.Error(); err != nil && !rueidis.IsRedisNil(err) {
			return nil
		}
		short = s.waitFor(ctx, d, c.copies)
		return nil
	})
	if err == nil {
		err = short
	}
	if err != nil {
		return rueidis.NewErrorResult(err)
	}
	return out
}

// waitFor asks how far the writes of a connection have got.
func (s *Store) waitFor(ctx context.Context, d rueidis.DedicatedClient, c Copies) error {
	within := c.within().Milliseconds()
	if !c.Disk {
		n, err := d.Do(ctx, d.B().Wait().Numreplicas(int64(c.Replicas)).Timeout(within).Build()).AsInt64()
		if err == nil && n < int64(c.Replicas) {
			err = errCopies
		}
		return err
	}
	got, err := d.Do(ctx, d.B().Waitaof().Numlocal(1).Numreplicas(int64(c.Replicas)).Timeout(within).Build()).AsIntSlice()
	if err == nil && (len(got) != 2 || got[0] < 1 || got[1] < int64(c.Replicas)) {
		err = errCopies
	}
	return err
}
