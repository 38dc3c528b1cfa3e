package sealed

import (
	"encoding/binary"
	"errors"

	"crossfade.dev/crossfade/session"
)

const (
	purposeVeil       = "session-veil"
	purposeAttributes = "session-attributes"
)

// sealedKey is the one key of attributes that are sealed. Its version is 0, which no attribute has that was
// ever written.
const sealedKey = "~sealed"

var (
	errSwapped = errors.New("sealed: the row is not as it was sealed")
	errVeil    = errors.New("sealed: the veil is damaged")
)

// owner is what the sealed parts of a record are bound to: they never change in its life.
func owner(r *session.Record) []byte {
	out := make([]byte, 0, len(r.ID)+len(r.Lineage))
	return append(append(out, r.ID[:]...), r.Lineage[:]...)
}

// seal gives a copy of a record as it is stored: subject as an alias, attributes as one sealed value, and
// behind the veil the subject again, to which the alias is held, and whatever else is personal.
func (s *Store) seal(r *session.Record) *session.Record {
	out, bound := *r, owner(r)
	out.Subject = s.alias(r.Subject)
	out.Visitor, out.Device, out.Methods, out.Level = session.VisitorID{}, session.Device{}, nil, ""
	out.Veil = s.ring.SealFor(purposeVeil, bound, veilOf(r))
	if len(r.Attributes) > 0 {
		text := session.AppendAttributes(nil, r.Attributes)
		out.Attributes = map[string]session.Attribute{sealedKey: {Value: s.ring.SealFor(purposeAttributes, bound, text)}}
	}
	return &out
}

// veilOf is the subject, with its length before it, and the head of a record that has the hidden fields alone.
func veilOf(r *session.Record) []byte {
	b := append(binary.AppendUvarint(nil, uint64(len(r.Subject))), r.Subject...)
	return session.AppendHead(b, &session.Record{Session: session.Session{
		Visitor: r.Visitor, Device: r.Device, Methods: r.Methods, Level: r.Level,
	}})
}

func readVeil(b []byte) (subject string, hidden session.Record, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", hidden, errVeil
	}
	b = b[size:]
	return string(b[:n]), hidden, session.DecodeHead(b[n:], &hidden)
}

// open turns a record as it is stored into what it is, whatever its form. The record is the caller's own.
func (s *Store) open(r *session.Record) error {
	bound := owner(r)
	if sealed := sealedAttributes(r); sealed != nil { // an update of the head alone leaves them as they were
		text, err := s.ring.OpenFor(purposeAttributes, bound, sealed)
		if err != nil {
			return openFault(r.ID, err)
		}
		if r.Attributes, err = session.DecodeAttributes(text); err != nil {
			return openFault(r.ID, err)
		}
	}
	if len(r.Veil) == 0 {
		if isAlias(r.Subject) {
			return openFault(r.ID, errSwapped)
		}
		return nil
	}
	text, err := s.ring.OpenFor(purposeVeil, bound, r.Veil)
	if err != nil {
		return openFault(r.ID, err)
	}
	subject, hidden, err := readVeil(text)
	if err != nil {
		return openFault(r.ID, err)
	}
	if named, err := s.subject(r.Subject); err != nil || named != subject {
		return openFault(r.ID, errSwapped)
	}
	r.Subject, r.Veil = subject, nil
	r.Visitor, r.Device, r.Methods, r.Level = hidden.Visitor, hidden.Device, hidden.Methods, hidden.Level
	return nil
}

// sealedAttributes is the sealed value of a record's attributes; nil: they are plain, or there are none.
func sealedAttributes(r *session.Record) []byte {
	if a, ok := r.Attributes[sealedKey]; ok && a.Version == 0 && len(r.Attributes) == 1 {
		return a.Value
	}
	return nil
}

// inForm reports whether a stored record has the form that the mode writes, under the key that seals now.
func (s *Store) inForm(r *session.Record) bool {
	a := sealedAttributes(r)
	if s.mode != On {
		return len(r.Veil) == 0 && a == nil
	}
	return s.ring.Current(r.Veil) && (len(r.Attributes) == 0 || s.ring.Current(a)) && (r.Subject == "" || s.currentAlias(r.Subject))
}
