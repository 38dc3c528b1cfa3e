package redisstore

import (
	"context"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

// Marks reads the revocation state, after it has finished what is decided: a mark that spares a session is not
// shown before that is born again. The sequence is read first: marks that are drawn meanwhile can only make it
// look older than it is. See session.Store.
func (s *Store) Marks(ctx context.Context) (session.Marks, error) {
	if err := s.finishDecided(ctx, everyCommit); err != nil {
		return session.Marks{}, err
	}
	sequence, err := s.sequence(s.client.Do(ctx, s.client.B().Get().Key(s.keys.sequence).Build()))
	if err != nil {
		return session.Marks{}, err
	}
	stored, err := s.client.Do(ctx, s.client.B().Hgetall().Key(s.keys.marks).Build()).AsStrMap()
	if err != nil {
		return session.Marks{}, trouble(err, "read")
	}
	out := session.Marks{Sequence: sequence, Subjects: map[string]session.Mark{}}
	for subject, v := range stored {
		mark, _, err := parseMark(v)
		if err != nil {
			return session.Marks{}, err
		}
		if subject == "" {
			out.Global = mark
		} else {
			out.Subjects[subject] = mark
		}
	}
	return out, nil
}

func (s *Store) sequence(res rueidis.RedisResult) (session.Mark, error) {
	text, err := res.ToString()
	if rueidis.IsRedisNil(err) {
		return 0, nil
	}
	if err != nil {
		return 0, trouble(err, "read")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, damaged(err)
	}
	raise(&s.markFloor, n)
	return session.Mark(n), nil
}

// parseMark reads a mark and when it was drawn.
func parseMark(v string) (session.Mark, time.Time, error) {
	if len(v) != 16 {
		return 0, time.Time{}, damaged(errShort)
	}
	b := []byte(v)
	return session.Mark(binary.BigEndian.Uint64(b)), session.FromMillis(int64(binary.BigEndian.Uint64(b[8:]))), nil
}

// lift starts the revocation sequence no lower than the time. Legacy systems remember marks too: with a new
// database, one from a backup or a primary that lost its last writes, a sequence that began again lower would
// make later logins older than the marks of before. Lifting it ends nothing.
func (s *Store) lift(ctx context.Context) error {
	raise(&s.markFloor, s.now().Unix())
	const raised = `if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end return 0`
	r := s.write(ctx, call{script: newScript(raised), keys: []string{s.keys.sequence}, args: []string{num(s.markFloor.Load())}})[0]
	if r.err != nil {
		return trouble(r.err, "write to")
	}
	return nil
}
