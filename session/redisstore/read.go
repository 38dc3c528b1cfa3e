package redisstore

import (
	"context"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

// Head reads a record without attributes: one HGET where its lineage is its own id, or known here. See
// session.Store.
func (s *Store) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	l, known := s.lineages.GetIfPresent(id)
	if !known {
		l = session.Lineage(id)
	}
	v, err := s.client.Do(ctx, s.client.B().Hget().Key(s.keys.lineage(l)).Field(field(id, l)).Build()).AsBytes()
	switch {
	case err == nil:
		return decodeRecord(v, id, l)
	case !rueidis.IsRedisNil(err):
		return nil, trouble(err, "read")
	}
	return s.record(ctx, id, false)
}

// Full reads a record with attributes. See session.Store.
func (s *Store) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	if l, ok := s.lineages.GetIfPresent(id); ok {
		if r, err := s.inLineage(ctx, id, l, true); r != nil || err != nil {
			return r, err
		}
	}
	return s.record(ctx, id, true)
}

// record looks where an id says, and where that points to.
func (s *Store) record(ctx context.Context, id session.ID, full bool) (*session.Record, error) {
	fields := headFields
	if full {
		fields = fullFields
	}
	msg, err := s.client.Do(ctx, s.client.B().Hmget().Key(s.keys.id(id)).Field(fields...).Build()).ToArray()
	if err != nil {
		return nil, trouble(err, "read")
	}
	v, p := text(msg, 0), text(msg, 1)
	if v != "" {
		return recordOf(v, text(msg, 2), id, session.Lineage(id), full)
	}
	if len(p) != len(session.Lineage{}) {
		return nil, nil
	}
	l := session.Lineage(own(p))
	r, err := s.inLineage(ctx, id, l, full)
	if r != nil {
		s.lineages.Set(id, l)
	}
	return r, err
}

// A record, what points to it if it is elsewhere, and its attributes.
var (
	headFields = []string{"s", "p"}
	fullFields = []string{"s", "p", "a"}
)

// inLineage reads a record where it is known to be.
func (s *Store) inLineage(ctx context.Context, id session.ID, l session.Lineage, full bool) (*session.Record, error) {
	f := field(id, l)
	fields := []string{f}
	if full {
		fields = []string{f, attributesField(f)}
	}
	msg, err := s.client.Do(ctx, s.client.B().Hmget().Key(s.keys.lineage(l)).Field(fields...).Build()).ToArray()
	if err != nil {
		return nil, trouble(err, "read")
	}
	v := text(msg, 0)
	if v == "" {
		return nil, nil
	}
	return recordOf(v, text(msg, 1), id, l, full)
}

func recordOf(v, attributes string, id session.ID, l session.Lineage, full bool) (*session.Record, error) {
	r, err := decodeRecord([]byte(v), id, l)
	if err != nil || !full {
		return r, err
	}
	if r.Attributes, err = session.DecodeAttributes([]byte(attributes)); err != nil {
		return nil, damaged(err)
	}
	return r, nil
}

// text gives an element of an answer, empty where there is none.
func text(msg []rueidis.RedisMessage, i int) string {
	if i >= len(msg) {
		return ""
	}
	v, _ := msg[i].ToString()
	return v
}

// ask runs a script that only reads.
func (s *Store) ask(ctx context.Context, c call) (r reply) {
	res := s.client.Do(ctx, s.command(&c, true))
	if e, ok := rueidis.IsRedisErr(res.Error()); ok && e.IsNoScript() {
		res = s.client.Do(ctx, s.command(&c, false))
	}
	r.take(res)
	return r
}

// Generations reads the records of a lineage. See session.Store.
func (s *Store) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	r := s.ask(ctx, call{script: generationsScript, keys: []string{s.keys.lineage(l)}})
	if r.err != nil {
		return nil, trouble(r.err, "read")
	}
	var out []*session.Record
	for i := 0; i+1 < len(r.list); i += 2 {
		rec, err := decodeRecord([]byte(r.text(i+1)), idOf(r.text(i), l), l)
		if err != nil {
			return nil, err
		}
		if rec.Generation > 0 {
			out = append(out, rec)
		}
	}
	newestFirst(out)
	return out, nil
}

// idOf reverses field.
func idOf(f string, l session.Lineage) session.ID {
	if len(f) != 1+len(session.ID{}) {
		return session.ID(l)
	}
	return session.ID(own(f[1:]))
}

// Ended looks for a tombstone. See session.Store.
func (s *Store) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	ended, err := s.client.Do(ctx, s.client.B().Hexists().Key(s.keys.lineage(l)).Field("t").Build()).AsBool()
	if err != nil {
		return false, trouble(err, "read")
	}
	return ended, nil
}

// Key finds a legacy key. See session.Store.
func (s *Store) Key(ctx context.Context, hashes ...session.KeyHash) (*session.Key, error) {
	cmds := make([]rueidis.Completed, len(hashes))
	for i, h := range hashes {
		cmds[i] = s.client.B().Get().Key(s.keys.legacyKey(h)).Build()
	}
	for i, res := range s.client.DoMulti(ctx, cmds...) {
		at, err := res.ToString()
		switch {
		case rueidis.IsRedisNil(err):
			continue
		case err != nil:
			return nil, trouble(err, "read")
		case len(at) != len(session.Lineage{}):
			return nil, damaged(errShort)
		}
		if k, err := s.keyAt(ctx, hashes[i], session.Lineage(own(at))); k != nil || err != nil {
			return k, err
		}
	}
	return nil, nil
}

func (s *Store) keyAt(ctx context.Context, h session.KeyHash, l session.Lineage) (*session.Key, error) {
	v, err := s.client.Do(ctx, s.client.B().Hget().Key(s.keys.lineage(l)).Field("k"+string(h[:])).Build()).ToString()
	switch {
	case rueidis.IsRedisNil(err) || err == nil && v == "":
		return nil, nil // claimed, and never written
	case err != nil:
		return nil, trouble(err, "read")
	}
	return decodeKey(v, h, l)
}
