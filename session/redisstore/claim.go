package redisstore

import (
	"context"

	"crossfade.dev/crossfade/session"
)

// claim makes something findable that does not live where its name says: a record by its id, a legacy key by
// its hash. It is written before what it points to, so an answered write is found; one that points to nothing
// is as good as none, and passes.
type claim struct {
	record  *session.Record
	key     *session.Key
	lineage session.Lineage
}

func (s *Store) claim(ctx context.Context, p *plan) error {
	if len(p.claims) == 0 {
		return nil
	}
	calls := make([]call, len(p.claims))
	for i, c := range p.claims {
		calls[i] = s.claimCall(c, session.Lineage{})
	}
	for i, r := range s.write(ctx, calls...) {
		c := p.claims[i]
		switch {
		case r.err != nil:
			return r.err
		case c.record != nil:
			if n, _ := r.one.AsInt64(); n != 1 {
				return session.ErrConflict
			}
			s.lineages.Set(c.record.ID, c.lineage)
		default:
			if err := s.claimed(ctx, c, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) claimCall(c claim, from session.Lineage) call {
	if c.record != nil {
		return call{script: claimScript, keys: []string{s.keys.id(c.record.ID)}, args: []string{string(c.lineage[:]), num(s.life(last(c.record)))}}
	}
	old := ""
	if !from.IsZero() {
		old = string(from[:])
	}
	return call{script: claimKeyScript, keys: []string{s.keys.legacyKey(c.key.Hash)}, args: []string{string(c.lineage[:]), num(s.life(c.key.Keep)), old}}
}

// claimed looks at what a legacy key points to. Another lineage has it, unless whoever claimed it there was
// stopped before writing: then it is made sure that nothing comes late, and it is taken over.
func (s *Store) claimed(ctx context.Context, c claim, r reply) error {
	for range 3 {
		at, err := r.one.ToString()
		switch {
		case err != nil:
			return err
		case at == string(c.lineage[:]):
			return nil
		case len(at) != len(c.lineage):
			return damaged(errShort)
		}
		other := session.Lineage(own(at))
		void := s.write(ctx, call{script: voidScript, keys: []string{s.keys.lineage(other)}, args: []string{string(c.key.Hash[:])}})[0]
		if void.err != nil {
			return void.err
		}
		if n, _ := void.one.AsInt64(); n != 1 {
			return session.ErrConflict
		}
		if r = s.write(ctx, s.claimCall(c, other))[0]; r.err != nil {
			return r.err
		}
	}
	return session.ErrConflict
}
