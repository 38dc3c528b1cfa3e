package redisstore

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

// ExpiresItself says that records and legacy keys go by the servers' own expiry, an hour after their time. What
// must not go by that, because it could be evicted, is swept: tombstones and marks.
func (s *Store) ExpiresItself() {}

func (s *Store) tombCall(l session.Lineage) call {
	return call{script: tombScript, keys: []string{s.keys.tombs(tombOf(l))}, args: []string{string(l[:])}}
}

// tombScript puts a lineage where sweeping finds it, to be looked at soon: its tombstone knows for how long.
var tombScript = newScript(`redis.call('ZADD', KEYS[1], 'NX', 0, ARGV[1]) return 0`)

// Sweep deletes tombstones and marks that nobody needs any more, and finishes decided commits that the sweep
// before saw too. See session.Store.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if err := s.finishOverdue(ctx); err != nil {
		return 0, err
	}
	looked := 0
	for n := 0; n < tombs && looked < limit; n++ {
		k, err := s.sweepTombs(ctx, n, now, limit-looked)
		if err != nil {
			return 0, err
		}
		looked += k
	}
	return looked, s.sweepMarks(ctx, now)
}

func (s *Store) finishOverdue(ctx context.Context) error {
	seen := map[commitID]bool{}
	err := s.finishDecided(ctx, func(c commitID) bool {
		seen[c] = true
		return s.overdue[c]
	})
	s.overdue = seen
	return err
}

// later is when a tombstone is looked at again that legacy has not confirmed.
const later = time.Hour

func (s *Store) sweepTombs(ctx context.Context, n int, now time.Time, limit int) (int, error) {
	key := s.keys.tombs(n)
	members, err := s.client.Do(ctx, s.client.B().Zrange().Key(key).Min("-inf").Max(num(ms(now))).Byscore().
		Limit(0, int64(limit)).Build()).AsStrSlice()
	if err != nil {
		return 0, trouble(err, "read")
	}
	if len(members) == 0 {
		return 0, nil
	}
	calls := make([]call, len(members))
	for i, m := range members {
		calls[i] = call{script: sweepScript, keys: []string{s.keys.lineage(session.Lineage(pad16(m)))}, args: []string{num(ms(now)), num(ms(now.Add(later)))}}
	}
	var cmds []rueidis.Completed
	for i, r := range s.write(ctx, calls...) {
		if r.err != nil {
			return 0, trouble(r.err, "write to")
		}
		if again, _ := r.one.AsInt64(); again == 0 {
			cmds = append(cmds, s.client.B().Zrem().Key(key).Member(members[i]).Build())
		} else {
			cmds = append(cmds, s.client.B().Zadd().Key(key).Xx().ScoreMember().ScoreMember(float64(again), members[i]).Build())
		}
	}
	for _, res := range s.client.DoMulti(ctx, cmds...) {
		if err := res.Error(); err != nil {
			return 0, trouble(err, "write to")
		}
	}
	return len(members), nil
}

func pad16(s string) (b [16]byte) {
	copy(b[:], s)
	return b
}

// sweepMarks drops marks of subjects that no cookie can be older than.
func (s *Store) sweepMarks(ctx context.Context, now time.Time) error {
	stored, err := s.client.Do(ctx, s.client.B().Hgetall().Key(s.keys.marks).Build()).AsStrMap()
	if err != nil {
		return trouble(err, "read")
	}
	for subject, v := range stored {
		_, at, err := parseMark(v)
		if err != nil {
			return err
		}
		if subject == "" || at.After(now.Add(-session.MaxLife)) {
			continue
		}
		r := s.write(ctx, call{script: dropMarkScript, keys: []string{s.keys.marks}, args: []string{subject, v}})[0]
		if r.err != nil {
			return trouble(r.err, "write to")
		}
	}
	return nil
}

// dropMarkScript drops a mark that is still the one that was looked at.
var dropMarkScript = newScript(`if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end return 0`)
