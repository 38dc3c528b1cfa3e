package redisstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"crossfade.dev/crossfade/session"
)

// Notes reads notes. See session.Store.
func (s *Store) Notes(ctx context.Context, prefix string) ([]session.Note, error) {
	stored, err := s.client.Do(ctx, s.client.B().Hgetall().Key(s.keys.notes).Build()).AsStrMap()
	if err != nil {
		return nil, trouble(err, "read")
	}
	var out []session.Note
	for name, v := range stored {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if len(v) < 8 {
			return nil, damaged(errShort)
		}
		out = append(out, session.Note{Name: name, Version: binary.BigEndian.Uint64([]byte(v)), Value: own(v[8:])})
	}
	slices.SortFunc(out, func(a, b session.Note) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *Store) putNote(ctx context.Context, n session.Note) error {
	args := []string{n.Name, num(n.Version), string(n.Value)}
	r := s.write(ctx, call{script: noteScript, keys: []string{s.keys.notes}, args: args})[0]
	if r.err != nil {
		return r.err
	}
	if ok, _ := r.one.AsInt64(); ok != 1 {
		if r.unsure {
			return errUnsure
		}
		return session.ErrConflict
	}
	return nil
}
