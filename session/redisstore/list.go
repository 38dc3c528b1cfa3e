package redisstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

// The index of a subject is a sorted set: by time of making, members are id and lineage. It is written beside
// records and decides nothing: what it lacks is put back by the next write or touch of the record, what it has
// too much is taken out by who reads it.

func member(id session.ID, l session.Lineage) string { return string(id[:]) + string(l[:]) }

func parseMember(m string) (id session.ID, l session.Lineage, ok bool) {
	if len(m) != len(id)+len(l) {
		return id, l, false
	}
	b := own(m)
	return session.ID(b), session.Lineage(b[len(id):]), true
}

func (s *Store) indexCalls(records []*session.Record) (calls []call) {
	for _, r := range records {
		calls = append(calls, s.indexCall(r.Subject, r.ID, r.Lineage, ms(r.Created), s.life(last(r))))
	}
	return calls
}

func (s *Store) indexCall(subject string, id session.ID, l session.Lineage, created, life int64) call {
	return call{script: indexScript, keys: []string{s.keys.subject(subject)}, args: []string{member(id, l), num(created), num(life)}}
}

// unindex takes entries out. What fails stays until the next reader.
func (s *Store) unindex(ctx context.Context, subject string, members []string) {
	if len(members) > 0 {
		_ = s.client.Do(context.WithoutCancel(ctx), s.client.B().Zrem().Key(s.keys.subject(subject)).Member(members...).Build()).Error()
	}
}

// OfSubject reads live and moving records of a subject. See session.Store.
func (s *Store) OfSubject(ctx context.Context, subject string, after session.Cursor, limit int) (out []*session.Record, err error) {
	from := "+inf"
	if !after.ID.IsZero() {
		from = num(ms(after.Created))
	}
	skip := 0 // of those made at the time of from, and seen
	for size := limit + 16; ; size = min(4*size, 4096) {
		entries, err := s.client.Do(ctx, s.client.B().Zrange().Key(s.keys.subject(subject)).Min(from).Max("-inf").
			Byscore().Rev().Limit(int64(skip), int64(size)).Withscores().Build()).AsZScores()
		if err != nil {
			return nil, trouble(err, "read")
		}
		found, dead, err := s.indexed(ctx, subject, entries)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if (after.ID.IsZero() || older(r, after)) && len(out) < limit {
				out = append(out, r)
			}
		}
		s.unindex(ctx, subject, dead)
		if len(out) == limit || len(entries) < size {
			return out, nil
		}
		skip += len(entries) - len(dead)
	}
}

// older reports whether a record comes after a place in a list.
func older(r *session.Record, at session.Cursor) bool {
	created, place := ms(r.Created), ms(at.Created)
	return created < place || created == place && string(r.ID[:]) < string(at.ID[:])
}

// indexed reads the records of index entries in one round trip: those to show, and the entries that nobody needs.
func (s *Store) indexed(ctx context.Context, subject string, entries []rueidis.ZScore) (found []*session.Record, dead []string, err error) {
	cmds := make([]rueidis.Completed, len(entries))
	for i, e := range entries {
		id, l, _ := parseMember(e.Member)
		cmds[i] = s.client.B().Hget().Key(s.keys.lineage(l)).Field(field(id, l)).Build()
	}
	if len(cmds) == 0 {
		return nil, nil, nil
	}
	for i, res := range s.client.DoMulti(ctx, cmds...) {
		id, l, _ := parseMember(entries[i].Member)
		v, err := res.AsBytes()
		if rueidis.IsRedisNil(err) {
			dead = append(dead, entries[i].Member)
			continue
		}
		if err != nil {
			return nil, nil, trouble(err, "read")
		}
		r, err := decodeRecord(v, id, l)
		switch {
		case err != nil:
			return nil, nil, err
		case r.State == session.StateEnded || r.Subject != subject:
			dead = append(dead, entries[i].Member)
		case r.State <= session.StateMoving:
			found = append(found, r)
		}
	}
	return found, dead, nil
}

func newestFirst(recs []*session.Record) {
	slices.SortFunc(recs, func(a, b *session.Record) int { return cmp.Compare(b.Generation, a.Generation) })
}
