package redisstore

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// A record as it is stored: what scripts compare and merge stands at fixed places, big-endian; lua/lineage.lua
// and lua/touch.lua know them. The byte behind the comment is where a field begins, as Lua counts.
//
//	1 format   2 state   3 generation (4)   7 version   15 created   23 seen   31 idle   39 expires
//	47 born   55 first   63 used   71 keep   79 secret (32)
//	111 subject, reason, sealed, each behind its length (4); then the head (session.AppendHead)
const (
	recordFormat = 1
	recordFixed  = 110
)

// appendRecord encodes a record without id, lineage and attributes.
func appendRecord(b []byte, r *session.Record) []byte {
	b = append(b, recordFormat, byte(r.State))
	b = binary.BigEndian.AppendUint32(b, r.Generation)
	for _, n := range [...]int64{
		int64(r.Version), ms(r.Created), ms(r.LastSeen), r.Idle.Milliseconds(), ms(r.ExpiresAt), int64(r.Born), ms(r.First),
		ms(r.Used), ms(r.Keep),
	} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, r.Secret[:]...)
	b = appendText(b, r.Subject)
	b = appendText(b, r.EndReason)
	b = appendText(b, r.Sealed)
	return session.AppendHead(b, r)
}

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

var errShort = errors.New("it is too short")

// decodeRecord reverses appendRecord. The record keeps b.
func decodeRecord(b []byte, id session.ID, l session.Lineage) (*session.Record, error) {
	if len(b) < recordFixed || b[0] != recordFormat {
		return nil, damaged(errShort)
	}
	n := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at-1:])) }
	r := &session.Record{}
	r.ID, r.Lineage, r.State = id, l, session.State(b[1])
	r.Generation, r.Version = binary.BigEndian.Uint32(b[2:]), uint64(n(7))
	r.Created, r.LastSeen = session.FromMillis(n(15)), session.FromMillis(n(23))
	r.Idle, r.ExpiresAt = time.Duration(n(31))*time.Millisecond, session.FromMillis(n(39))
	r.Born, r.First, r.Used, r.Keep = session.Mark(n(47)), session.FromMillis(n(55)), session.FromMillis(n(63)), session.FromMillis(n(71))
	r.Secret = session.SecretHash(b[78:])
	rest := b[recordFixed:]
	text := func() (out []byte) { out, rest = cutText(rest); return out }
	r.Subject, r.EndReason = string(text()), string(text())
	if sealed := text(); len(sealed) > 0 {
		r.Sealed = sealed
	}
	if rest == nil {
		return nil, damaged(errShort)
	}
	if err := session.DecodeHead(rest, r); err != nil {
		return nil, damaged(err)
	}
	return r, nil
}

// cutText takes a text behind its length off the front; the rest is nil where there is none.
func cutText(b []byte) (text, rest []byte) {
	if len(b) < 4 {
		return nil, nil
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n > uint64(len(b)-4) {
		return nil, nil
	}
	return b[4 : 4+n : 4+n], b[4+n:]
}

// last is until when a record may live if it goes on being used.
func last(r *session.Record) time.Time {
	if r.Keep.After(r.ExpiresAt) {
		return r.Keep
	}
	return r.ExpiresAt
}

// A legacy key as it is stored: version (4), presented (8), keep (8), flags (1), moved (16).
const keyLength = 37

func encodeKey(k *session.Key) string {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, keyLength), k.Version)
	b = binary.BigEndian.AppendUint64(b, uint64(ms(k.Presented)))
	b = binary.BigEndian.AppendUint64(b, uint64(ms(k.Keep)))
	flags := byte(0)
	if k.Given {
		flags |= 1
	}
	if k.Closed {
		flags |= 2
	}
	return string(append(append(b, flags), k.Moved[:]...))
}

func decodeKey(v string, h session.KeyHash, l session.Lineage) (*session.Key, error) {
	if len(v) != keyLength {
		return nil, damaged(errShort)
	}
	b := []byte(v)
	return &session.Key{
		Hash: h, Lineage: l, Version: binary.BigEndian.Uint32(b),
		Presented: session.FromMillis(int64(binary.BigEndian.Uint64(b[4:]))), Keep: session.FromMillis(int64(binary.BigEndian.Uint64(b[12:]))),
		Given: b[20]&1 != 0, Closed: b[20]&2 != 0, Moved: session.ID(b[21:]),
	}, nil
}

func ms(t time.Time) int64 { return session.Millis(t) }

func damaged(err error) error {
	return fault.Wrap(err, fault.Internal, "a stored session cannot be read").
		WithHint("it may have been written by a newer crossfade; otherwise something else writes under the same prefix in Redis")
}

// own copies a text that may share memory with a whole answer.
func own(s string) []byte { return []byte(strings.Clone(s)) }
