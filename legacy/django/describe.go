package django

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"time"

	"crossfade.dev/crossfade/legacy/inventory"
	"crossfade.dev/crossfade/legacy/python"
)

// id tells sessions apart within a sample without being their key.
func id(key string) string {
	sum := sha256.Sum256([]byte(key))
	return string(sum[:16])
}

// fromText describes a session that is stored as signed text. The value comes along for its expiry; nil: unreadable.
func (k Keys) fromText(key, text string) (inventory.Session, *python.Value) {
	s := inventory.Session{ID: id(key), Size: len(text)}
	signed, err := k.Open(text)
	s.Saved, s.Key = signed.At, signed.Key
	if err != nil {
		return unreadable(s, err), nil
	}
	return describe(s, signed.Payload)
}

// fromCache describes a session that Django's cache serialized: a pickle, or what the serializers and compressors of
// django-redis make of it.
func fromCache(key string, value []byte) (inventory.Session, *python.Value) {
	s := inventory.Session{ID: id(key), Size: len(value)}
	var err error
	switch {
	case len(value) > MaxPayload:
		err = ErrTooLarge
	case len(value) > 1 && value[0] == 0x78: // zlib; as a pickle this byte begins nothing
		value, err = inflate(value)
	case bytes.HasPrefix(value, []byte{0x1f, 0x8b}):
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(value)); err == nil {
			value, err = bounded(r)
		}
	case bytes.HasPrefix(value, []byte{0x28, 0xb5, 0x2f, 0xfd}), bytes.HasPrefix(value, []byte{0x04, 0x22, 0x4d, 0x18}),
		bytes.HasPrefix(value, []byte{0xfd, '7', 'z', 'X', 'Z'}):
		err = errCompressed
	}
	if err != nil {
		return unreadable(s, err), nil
	}
	return describe(s, value)
}

var errCompressed = errors.New("compressed by zstd, lz4 or lzma")

// describe reads serialized data: JSON begins with a bracket, which no pickle does.
func describe(s inventory.Session, payload []byte) (inventory.Session, *python.Value) {
	var v *python.Value
	var err error
	limits := python.Limits{Bytes: MaxPayload}
	if bytes.HasPrefix(payload, []byte("{")) {
		s.Format = inventory.JSON
		v, err = python.ReadJSON(payload, limits)
	} else {
		s.Format = inventory.Pickle
		v, err = python.ReadPickle(payload, limits)
	}
	if err != nil {
		return unreadable(s, err), nil
	}
	s.Describe(v)
	return s, v
}

// unreadable gives one of a few reasons: what a reader found in the middle of one session is of no use in a count.
func unreadable(s inventory.Session, err error) inventory.Session {
	s.Problem = "neither JSON nor a pickle that can be read"
	if errors.Is(err, python.ErrTooLarge) {
		err = ErrTooLarge
	}
	for _, known := range []error{ErrSignature, ErrDamaged, ErrTooLarge, errCompressed} {
		if errors.Is(err, known) {
			s.Problem = known.Error()
		}
	}
	s.Format = inventory.Unreadable
	return s
}

// expiry is when a session ends that was last saved then, by what is in it; age is SESSION_COOKIE_AGE.
func expiry(v *python.Value, saved time.Time, age time.Duration) time.Time {
	given := v.Get("_session_expiry")
	if given == nil {
		return saved.Add(age)
	}
	if n, ok := given.Number(); ok {
		if n <= 0 || n > 1e9 { // 0: ends with the browser; in the store it lives as long as any
			return saved.Add(age)
		}
		return saved.Add(time.Duration(n) * time.Second)
	}
	if given.Kind == python.Str { // since Django 4.1
		for _, layout := range []string{"2006-01-02T15:04:05.999999Z07:00", "2006-01-02T15:04:05.999999"} {
			if at, err := time.Parse(layout, given.Text); err == nil {
				return at
			}
		}
	}
	return saved.Add(age)
}
