package redisstore

import (
	"context"
	"strconv"
	"time"

	"crossfade.dev/crossfade/session"
)

// Due reads the outbox. See session.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]session.PendingEnd, error) {
	cmd := call{script: dueScript, keys: []string{s.keys.outbox, s.keys.due}, args: []string{num(ms(now)), num(limit)}}
	r := s.ask(ctx, cmd)
	if r.err != nil {
		return nil, trouble(r.err, "read")
	}
	var out []session.PendingEnd
	for i := 0; i+1 < len(r.list); i += 2 {
		p, err := decodeNotice(r.text(i), r.text(i+1))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Outstanding reads what unconfirmed ends cover, after it has finished what is decided. See session.Store.
func (s *Store) Outstanding(ctx context.Context) (map[int64][]session.Lineage, error) {
	if err := s.finishDecided(ctx, everyCommit); err != nil {
		return nil, err
	}
	res := s.client.DoMulti(ctx,
		s.client.B().Hkeys().Key(s.keys.outbox).Build(),
		s.client.B().Zrange().Key(s.keys.cover).Min("0").Max("-1").Withscores().Build())
	ids, err := res[0].AsStrSlice()
	if err != nil {
		return nil, trouble(err, "read")
	}
	covered, err := res[1].AsZScores()
	if err != nil {
		return nil, trouble(err, "read")
	}
	out := make(map[int64][]session.Lineage, len(ids))
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, damaged(err)
		}
		out[n] = nil
		raise(&s.endFloor, n)
	}
	for _, c := range covered {
		if ls, ok := out[int64(c.Score)]; ok && len(c.Member) == len(session.Lineage{}) {
			out[int64(c.Score)] = append(ls, session.Lineage(own(c.Member)))
		}
	}
	return out, nil
}

func everyCommit(commitID) bool { return true }

// confirmEnd notes on the tombstones that legacy knows, and then forgets the notice: a crash between leaves the
// notice, which is then given once more.
func (s *Store) confirmEnd(ctx context.Context, op session.ConfirmEnd) error {
	k, id := &s.keys, num(op.ID)
	covered, err := s.client.Do(ctx, s.client.B().Zrangebyscore().Key(k.cover).Min(id).Max(id).Build()).AsStrSlice()
	if err != nil {
		return err
	}
	calls := make([]call, 0, len(covered))
	for _, m := range covered {
		if len(m) == len(session.Lineage{}) {
			calls = append(calls, call{script: uncoverScript, keys: []string{k.lineage(session.Lineage(own(m)))}, args: []string{id}})
		}
	}
	for _, r := range s.write(ctx, calls...) {
		if r.err != nil {
			return r.err
		}
	}
	return s.write(ctx, call{script: confirmScript, keys: []string{k.outbox, k.due, k.cover}, args: []string{id}})[0].err
}

func (s *Store) failEnd(ctx context.Context, op session.FailEnd) error {
	return s.write(ctx, call{script: failScript, keys: []string{s.keys.outbox, s.keys.due}, args: []string{
		num(op.ID), num(ms(op.At)), num(op.First.Milliseconds()), num(op.Last.Milliseconds()), op.Cause,
	}})[0].err
}
