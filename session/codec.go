package session

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// The binary form of a record, for stores: what no store needs to look into goes into one compact blob
// (AppendHead), attributes key by key into another (AppendAttributes). Both begin with a version byte, so
// that a later version can read what an older one wrote. Numbers are uvarints, times Unix milliseconds
// with 0 for none, texts and byte strings carry their length.

const (
	headVersion       = 1
	headWithDevice    = 2 // as 1, with the device behind it
	headWithVeil      = 3 // as 2, with the veil behind it
	attributesVersion = 1
	attributesTimed   = 2 // each with the time of its last write
)

var errCodec = errors.New("session: stored record is damaged")

// AppendHead encodes the fields of r that are not columns in a store: everything but id, lineage,
// generation, state, end reason, subject, version, created, last seen, idle, expires, born, first, used,
// secret, sealed, keep and attributes.
func AppendHead(b []byte, r *Record) []byte {
	version := byte(headVersion)
	if !r.Device.IsZero() {
		version = headWithDevice
	}
	if len(r.Veil) > 0 {
		version = headWithVeil
	}
	b = append(b, version, byte(r.Kind), flag(r.FromGuest)|flag(r.Transient)<<1)
	b = appendTime(b, r.AuthTime)
	b = binary.AppendUvarint(b, uint64(len(r.Methods)))
	for _, m := range r.Methods {
		b = appendBytes(b, m)
	}
	b = appendBytes(b, r.Level)
	b = append16(b, r.Visitor)
	b = appendBytes(b, r.Origin)
	b = appendTime(b, r.SecretAt)
	b = binary.AppendUvarint(b, uint64(len(r.Previous)))
	for _, p := range r.Previous {
		b = append(b, p.Hash[:]...)
		b = append16(b, p.View)
		b = appendTime(b, p.Until)
	}
	b = appendTime(b, r.Privileged)
	b = append16(b, r.View)
	b = append16(b, r.ViewOf)
	b = appendRef(b, r.Counterpart)
	b = appendRef(b, r.Claim)
	b = append16(b, r.Operation)
	b = append16(b, r.Next)
	if version >= headWithDevice {
		network, _ := r.Device.Network.MarshalBinary() // never fails
		b = appendBytes(appendBytes(appendBytes(b, r.Device.Agent), network), r.Device.Label)
	}
	if version == headWithVeil {
		b = appendBytes(b, r.Veil)
	}
	return b
}

// DecodeHead reads what AppendHead wrote into r, and leaves its other fields alone.
func DecodeHead(b []byte, r *Record) error {
	d := decoder{b: b}
	version := d.byte()
	if version < headVersion || version > headWithVeil {
		return errCodec
	}
	r.Kind = Kind(d.byte())
	bits := d.byte()
	r.FromGuest, r.Transient = bits&1 != 0, bits&2 != 0
	r.AuthTime = d.time()
	r.Methods = nil
	for range d.count(1) {
		r.Methods = append(r.Methods, string(d.bytes()))
	}
	r.Level = string(d.bytes())
	r.Visitor = d.array16()
	r.Origin = string(d.bytes())
	r.SecretAt = d.time()
	r.Previous = nil
	for range d.count(34) {
		r.Previous = append(r.Previous, Previous{Hash: SecretHash(d.array32()), View: d.array16(), Until: d.time()})
	}
	r.Privileged = d.time()
	r.View = d.array16()
	r.ViewOf = d.array16()
	r.Counterpart = d.ref()
	r.Claim = d.ref()
	r.Operation = d.array16()
	r.Next = d.array16()
	r.Device = Device{}
	if version >= headWithDevice {
		r.Device.Agent = string(d.bytes())
		if err := r.Device.Network.UnmarshalBinary(d.bytes()); err != nil {
			return errCodec
		}
		r.Device.Label = string(d.bytes())
	}
	r.Veil = nil
	if version == headWithVeil {
		r.Veil = slices.Clone(d.bytes())
	}
	return d.end()
}

// AppendAttributes encodes attributes in the order of their keys; none give no byte at all.
func AppendAttributes(b []byte, attrs map[string]Attribute) []byte {
	if len(attrs) == 0 {
		return b
	}
	version := byte(attributesVersion)
	for _, a := range attrs {
		if !a.Written.IsZero() {
			version = attributesTimed
			break
		}
	}
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(len(attrs)))
	var few [16]string // more than most sessions have
	for _, k := range appendSortedKeys(few[:0], attrs) {
		a := attrs[k]
		b = appendBytes(b, k)
		b = binary.AppendUvarint(b, a.Version)
		if version == attributesTimed {
			b = appendTime(b, a.Written)
		}
		b = appendBytes(b, a.Value)
	}
	return b
}

// DecodeAttributes reads what AppendAttributes wrote. The map is never nil.
func DecodeAttributes(b []byte) (map[string]Attribute, error) {
	if len(b) == 0 {
		return map[string]Attribute{}, nil
	}
	d := decoder{b: b}
	version := d.byte()
	if version != attributesVersion && version != attributesTimed {
		return nil, errCodec
	}
	n := d.count(3)
	out := make(map[string]Attribute, n)
	for range n {
		key := string(d.bytes())
		a := Attribute{Version: d.uvarint(), Private: IsPrivate(key)}
		if version == attributesTimed {
			a.Written = d.time()
		}
		a.Value = slices.Clone(d.bytes())
		out[key] = a
	}
	return out, d.end()
}

func sortedKeys[V any](m map[string]V) []string {
	return appendSortedKeys(make([]string, 0, len(m)), m)
}

func appendSortedKeys[V any](keys []string, m map[string]V) []string {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// IsPrivate reports whether only the legacy system may read or write the key.
func IsPrivate(key string) bool {
	return strings.HasPrefix(key, "_auth_user") || strings.HasPrefix(key, "_crossfade")
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendTime(b []byte, t time.Time) []byte { return binary.AppendUvarint(b, uint64(Millis(t))) }

func appendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// append16 spends one byte on the ids that are mostly absent.
func append16[T ~[16]byte](b []byte, v T) []byte {
	if v == (T{}) {
		return append(b, 0)
	}
	a := [16]byte(v)
	return append(append(b, 1), a[:]...)
}

func appendRef(b []byte, r LegacyRef) []byte {
	if r.Hash.IsZero() {
		return append(b, 0)
	}
	b = append(append(b, 1), r.Hash[:]...)
	return appendTime(appendBytes(b, r.Sealed), r.Expires)
}

// Millis is a time as stores keep it: Unix milliseconds, 0 for none.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 0)
}

// FromMillis reverses Millis.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// decoder reads a blob from its front. After the first mistake it answers zeros and end reports it.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number of items of at least size bytes each, so that damage cannot ask for memory that
// the blob cannot fill.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte { return d.take(d.uvarint()) }

func (d *decoder) time() time.Time {
	v := d.uvarint()
	if v > math.MaxInt64 {
		d.bad = true
		return time.Time{}
	}
	return FromMillis(int64(v))
}

func (d *decoder) array16() (a [16]byte) {
	if d.byte() == 1 {
		copy(a[:], d.take(16))
	}
	return a
}

func (d *decoder) array32() (a [32]byte) {
	copy(a[:], d.take(32))
	return a
}

func (d *decoder) ref() LegacyRef {
	if d.byte() != 1 {
		return LegacyRef{}
	}
	return LegacyRef{Hash: d.array32(), Sealed: slices.Clone(d.bytes()), Expires: d.time()}
}

func (d *decoder) end() error {
	if d.bad || len(d.b) != 0 {
		return errCodec
	}
	return nil
}
