package redisstore

import (
	"context"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

// Judged reads a record and what it is held against in one round trip, marks first. See session.Judge.
func (s *Store) Judged(ctx context.Context, id session.ID, subject string) (session.Judged, error) {
	j, key, err := s.judge(ctx, id, subject)
	if err != nil || j.Record == nil || j.Record.Born >= against(j) {
		return j, err
	}
	// In a cluster the mark may be newer than the record, which it spares: then its lock is there still, or the
	// record is born again by now.
	for pause := 0; ; pause++ {
		owner, err := s.client.Do(ctx, s.client.B().Hget().Key(key).Field("x").Build()).ToString()
		if err != nil && !rueidis.IsRedisNil(err) {
			return j, trouble(err, "read")
		}
		if len(owner) < len(commitID{}) {
			break
		}
		var met meeting
		if err := s.meet(ctx, &met, j.Record.Lineage, commitID(own(owner[:16]))); err != nil {
			return j, trouble(err, "read")
		}
	}
	if j.Record, err = s.Head(ctx, id); err == nil && j.Record == nil {
		j.Ended, err = s.Ended(ctx, session.Lineage(id))
	}
	return j, err
}

func against(j session.Judged) session.Mark {
	return max(j.Marks.Global, j.Marks.Subjects[j.Record.Subject])
}

func (s *Store) judge(ctx context.Context, id session.ID, subject string) (j session.Judged, key string, err error) {
	l := session.Lineage(id)
	if known, ok := s.lineages.GetIfPresent(id); ok {
		l = known
	}
	key = s.keys.lineage(l)
	res := s.client.DoMulti(ctx, s.client.B().Get().Key(s.keys.sequence).Build(),
		s.client.B().Hmget().Key(s.keys.marks).Field("", subject).Build(),
		s.client.B().Hmget().Key(key).Field(field(id, l), "p", "t").Build())
	if j.Marks, err = s.marksOf(res, subject); err != nil {
		return j, key, err
	}
	msg, err := res[2].ToArray()
	if err != nil {
		return j, key, trouble(err, "read")
	}
	switch v := text(msg, 0); {
	case v != "":
		j.Record, err = decodeRecord([]byte(v), id, l)
	case text(msg, 1) != "" || l != session.Lineage(id):
		if j.Record, err = s.Head(ctx, id); j.Record != nil {
			key = s.keys.lineage(j.Record.Lineage)
		}
	}
	if err != nil {
		return j, key, err
	}
	if j.Record == nil {
		j.Ended = text(msg, 2) != ""
		if l != session.Lineage(id) {
			j.Ended, err = s.Ended(ctx, session.Lineage(id))
		}
		j.Marks.Subjects = map[string]session.Mark{}
		return j, key, err
	}
	if j.Record.Subject != subject {
		sequence, global := j.Marks.Sequence, j.Marks.Global
		if j.Marks, err = s.Against(ctx, j.Record.Subject); err != nil {
			return j, key, err
		}
		j.Marks.Sequence, j.Marks.Global = max(sequence, j.Marks.Sequence), max(global, j.Marks.Global)
	}
	return j, key, nil
}

// Against reads what a subject is held against. See session.Judge.
func (s *Store) Against(ctx context.Context, subject string) (session.Marks, error) {
	return s.marksOf(s.client.DoMulti(ctx, s.client.B().Get().Key(s.keys.sequence).Build(),
		s.client.B().Hmget().Key(s.keys.marks).Field("", subject).Build()), subject)
}

func (s *Store) marksOf(res []rueidis.RedisResult, subject string) (session.Marks, error) {
	sequence, err := s.sequence(res[0])
	if err != nil {
		return session.Marks{}, err
	}
	out := session.Marks{Sequence: sequence, Subjects: map[string]session.Mark{}}
	msg, err := res[1].ToArray()
	if err != nil {
		return out, trouble(err, "read")
	}
	for i, name := range []string{"", subject} {
		v := text(msg, i)
		if v == "" {
			continue
		}
		mark, _, err := parseMark(v)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.Global = mark
		} else if name != "" {
			out.Subjects[name] = mark
		}
	}
	return out, nil
}
