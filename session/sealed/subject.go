package sealed

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

// A subject is stored as an alias, so that a store finds and ends a subject's sessions without knowing whose
// they are: aliasMark and the base64url text of a deterministic seal. It is padded to a multiple of 16 bytes, so
// that its length says little.

const (
	purposeSubject = "session-subject"
	aliasMark      = "cf~"
	padding        = 16
)

func isAlias(subject string) bool { return strings.HasPrefix(subject, aliasMark) }

func pad(subject string) []byte {
	b := append([]byte(subject), 0x80)
	return append(b, make([]byte, (padding-len(b)%padding)%padding)...)
}

func unpad(b []byte) (string, error) {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 || b[len(b)-1] != 0x80 {
		return "", keyring.ErrOpen
	}
	return string(b[:len(b)-1]), nil
}

func text(alias []byte) string { return aliasMark + base64.RawURLEncoding.EncodeToString(alias) }

// alias is what a subject is stored as; nobody is nobody.
func (s *Store) alias(subject string) string {
	if subject == "" {
		return ""
	}
	return text(s.ring.Alias(purposeSubject, pad(subject)))
}

// names are all that a subject may be stored as: plain and under every key, and what is written now last.
func (s *Store) names(subject string) []string {
	var out []string
	for _, a := range s.ring.Aliases(purposeSubject, pad(subject)) {
		out = append(out, text(a))
	}
	if s.mode == On {
		slices.Reverse(out)
		return append([]string{subject}, out...)
	}
	return append(out, subject)
}

// subject is who is stored under a name.
func (s *Store) subject(name string) (string, error) {
	if !isAlias(name) {
		return name, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(name[len(aliasMark):])
	if err != nil {
		return "", keyring.ErrOpen
	}
	plain, err := s.ring.OpenAlias(purposeSubject, b)
	if err != nil {
		return "", err
	}
	return unpad(plain)
}

func (s *Store) currentAlias(name string) bool {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(name, aliasMark))
	return isAlias(name) && err == nil && s.ring.Current(b)
}

// OfSubject reads a subject's records under all its names. See session.Store.
func (s *Store) OfSubject(ctx context.Context, subject string, after session.Cursor, limit int) ([]*session.Record, error) {
	var all []*session.Record
	for _, name := range s.names(subject) {
		recs, err := s.openedAll(s.Store.OfSubject(ctx, name, after, limit))
		if err != nil {
			return nil, err
		}
		all = append(all, recs...)
	}
	slices.SortFunc(all, func(a, b *session.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare(b.ID[:], a.ID[:]))
	})
	// A record that changed its form between two of the reads is in both.
	all = slices.CompactFunc(all, func(a, b *session.Record) bool { return a.ID == b.ID })
	return all[:min(limit, len(all))], nil
}

// gatherAtMost bounds what an end rewrites before it. What is left is ended by the mark all the same.
const gatherAtMost = 500

// gather brings a subject's sessions under the name that is written now, so that the end which follows finds
// them: it then leaves tombstones and tells what it covers. It decides nothing: a session that it misses is
// older than the mark, which every reader finds under any name. So trouble is logged and the end goes on.
func (s *Store) gather(ctx context.Context, op session.EndSubject) {
	names, left := s.names(op.Subject), gatherAtMost
	for _, name := range names[:len(names)-1] {
		var at session.Cursor
		for left > 0 {
			recs, err := s.Store.OfSubject(ctx, name, at, min(left, 100))
			if err != nil {
				s.log.WarnContext(ctx, "an end could not gather sessions that are stored in another form; its mark ends them", "err", err)
				return
			}
			for _, r := range recs {
				at = session.Cursor{Created: r.Created, ID: r.ID}
				if r.Lineage != op.ExceptLineage {
					s.rewrite(ctx, r.ID)
				}
			}
			left -= len(recs)
			if len(recs) < 100 {
				break
			}
		}
	}
}

func (s *Store) rewrite(ctx context.Context, id session.ID) {
	r, err := s.Full(ctx, id)
	if err == nil && r != nil {
		r.Version++
		_, err = s.Store.Commit(ctx, session.Update{Record: s.formed(r)})
	}
	if err != nil && !errors.Is(err, session.ErrConflict) {
		s.log.WarnContext(ctx, "an end could not rewrite a session that is stored in another form; its mark ends it", "session", id, "err", err)
	}
}

// Marks reads the revocation state. See session.Store.
func (s *Store) Marks(ctx context.Context) (session.Marks, error) {
	m, err := s.Store.Marks(ctx)
	if err != nil {
		return m, err
	}
	return s.openMarks(ctx, m), nil
}

// openMarks gives each subject the highest mark of its names. One whose key has left the ring names nobody
// that could be asked about.
func (s *Store) openMarks(ctx context.Context, m session.Marks) session.Marks {
	out, lost := session.Marks{Sequence: m.Sequence, Global: m.Global, Subjects: make(map[string]session.Mark, len(m.Subjects))}, 0
	for name, mark := range m.Subjects {
		subject, err := s.subject(name)
		if err != nil {
			lost++
			continue
		}
		out.Subjects[subject] = max(out.Subjects[subject], mark)
	}
	if lost > 0 {
		s.log.ErrorContext(ctx, "marks of ended subjects cannot be opened: a key has left \"keys\" less than 400 days after it sealed; put it back", "marks", lost)
	}
	return out
}

// Due reads the outbox. See session.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]session.PendingEnd, error) {
	due, err := s.Store.Due(ctx, now, limit)
	if err != nil {
		return nil, err
	}
	out := due[:0]
	for _, e := range due {
		if e.Subject, err = s.subject(e.Subject); err != nil {
			s.log.ErrorContext(ctx, "an end that legacy has not confirmed cannot be opened: put the key that sealed it back into \"keys\"", "end", e.ID)
			continue
		}
		out = append(out, e)
	}
	return out, nil
}
