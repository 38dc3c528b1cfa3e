package redisstore

import (
	"context"
	"encoding/binary"

	"crossfade.dev/crossfade/session"
)

// Touch merges activity: one script for each record, side by side. See session.Store.
func (s *Store) Touch(ctx context.Context, touches []session.Touch, keys []session.KeyTouch) error {
	if ctx.Err() != nil {
		return trouble(ctx.Err(), "write to")
	}
	elsewhere, err := s.touch(ctx, touches)
	if err == nil && len(elsewhere) > 0 {
		_, err = s.touch(ctx, elsewhere)
	}
	if err == nil {
		err = s.touchKeys(ctx, keys)
	}
	if err != nil {
		s.failing.Store(true)
		return trouble(err, "write to")
	}
	return nil
}

// touch gives those back whose record turned out to be in another lineage, which is known from then on. It puts
// what it touched back into its subject's index.
func (s *Store) touch(ctx context.Context, touches []session.Touch) (elsewhere []session.Touch, err error) {
	calls := make([]call, len(touches))
	lineages := make([]session.Lineage, len(touches))
	for i, t := range touches {
		l := session.Lineage(t.ID)
		if known, ok := s.lineages.GetIfPresent(t.ID); ok {
			l = known
		}
		unseal := "0"
		if t.Unseal {
			unseal = "1"
		}
		lineages[i] = l
		calls[i] = call{script: touchScript, keys: []string{s.keys.lineage(l)}, args: []string{
			field(t.ID, l), num(ms(s.now())), num(slack.Milliseconds()), num(ms(t.Since)), num(ms(t.Seen)), num(ms(t.Used)),
			string(t.Secret[:]), unseal,
		}}
	}
	var index []call
	for i, r := range s.write(ctx, calls...) {
		switch {
		case r.err != nil:
			return nil, r.err
		case len(r.list) == 1 && len(r.text(0)) == len(session.Lineage{}):
			s.lineages.Set(touches[i].ID, session.Lineage(own(r.text(0))))
			elsewhere = append(elsewhere, touches[i])
		case len(r.list) == 2 && r.text(0) != "" && len(r.text(1)) == 16:
			times := []byte(r.text(1))
			created, expires := int64(binary.BigEndian.Uint64(times)), int64(binary.BigEndian.Uint64(times[8:]))
			index = append(index, s.indexCall(r.text(0), touches[i].ID, lineages[i], created, s.life(session.FromMillis(expires))))
		}
	}
	s.write(ctx, index...)
	return elsewhere, nil
}

func (s *Store) touchKeys(ctx context.Context, keys []session.KeyTouch) error {
	calls := make([]call, 0, len(keys))
	for _, k := range keys {
		found, err := s.Key(ctx, k.Hash)
		if err != nil {
			return err
		}
		if found != nil {
			calls = append(calls, call{script: touchKeyScript, keys: []string{s.keys.lineage(found.Lineage)}, args: []string{string(k.Hash[:]), num(ms(k.Presented))}})
		}
	}
	for _, r := range s.write(ctx, calls...) {
		if r.err != nil {
			return r.err
		}
	}
	return nil
}
