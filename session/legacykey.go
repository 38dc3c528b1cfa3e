package session

import (
	"context"
	"time"
)

const (
	purposeLegacyKey  = "legacy-key"
	purposeLegacyHash = "legacy-key-hash"
	purposeSecret     = "session-secret"
)

// legacyRef makes a legacy key ready for the store: keyed hash and sealed text.
func (m *Manager) legacyRef(key string, expires time.Time) LegacyRef {
	if key == "" {
		return LegacyRef{}
	}
	return LegacyRef{
		Hash:    m.hashLegacy(key),
		Sealed:  m.keys.Seal(purposeLegacyKey, []byte(key)),
		Expires: expires.Truncate(time.Millisecond).UTC(),
	}
}

// openLegacy reverses it. A key sealed under a secret that has left the ring is lost, as if there were none.
func (m *Manager) openLegacy(ref LegacyRef) string {
	if ref.Hash.IsZero() {
		return ""
	}
	plain, err := m.keys.Open(purposeLegacyKey, ref.Sealed)
	if err != nil {
		return ""
	}
	return string(plain)
}

func (m *Manager) hashLegacy(key string) KeyHash {
	return m.keys.Hash(purposeLegacyHash, []byte(key))
}

// legacyKey finds what is known of a legacy key, through the cache; nil: nothing. Every key of the ring is
// tried, so that a rotation of the ring does not forget what crossed before it.
func (m *Manager) legacyKey(ctx context.Context, key string) (*Key, error) {
	b := m.belief(ctx)
	var hashes []KeyHash
	for _, h := range m.keys.Hashes(purposeLegacyHash, []byte(key)) {
		hashes = append(hashes, h)
		if k, ok := m.legacy.get(h); ok && k.v != nil && b.fresh(k.at) {
			return k.v, nil
		}
	}
	if k, ok := m.legacy.get(hashes[0]); ok && k.v == nil && b.fresh(k.at) {
		return nil, nil
	}
	return m.readKey(ctx, hashes)
}

// keyByHash is legacyKey for a hash that is stored with a record. It is asked for when the key was first
// presented.
func (m *Manager) keyByHash(ctx context.Context, h KeyHash) (*Key, error) {
	b := m.belief(ctx)
	if k, ok := m.legacy.get(h); ok && b.recent(k.at) {
		return k.v, nil
	}
	return m.readKey(ctx, []KeyHash{h})
}

func (m *Manager) readKey(ctx context.Context, hashes []KeyHash) (*Key, error) {
	b := m.belief(ctx)
	seqs := make([]uint64, len(hashes))
	for i, h := range hashes {
		seqs[i] = m.legacy.begin(h)
	}
	k, err := m.store.Key(ctx, hashes...)
	if err != nil {
		return nil, storeTrouble(err, "read the legacy key")
	}
	if k == nil {
		m.legacy.fill(hashes[0], known[*Key]{nil, m.reading(b)}, seqs[0])
		return nil, nil
	}
	m.touches.applyKey(k)
	for i, h := range hashes {
		if equalKey(h, k.Hash) {
			m.legacy.fill(h, known[*Key]{k, m.reading(b)}, seqs[i])
		}
	}
	return k, nil
}

// newLegacyKey chooses a key that every supported legacy engine accepts. Bytes that would make some
// characters likelier than others are thrown away.
func (m *Manager) newLegacyKey() string {
	const fair = 256 - 256%len(KeyAlphabet)
	out := make([]byte, 0, KeyLength)
	var buf [2 * KeyLength]byte
	for len(out) < KeyLength {
		m.random(buf[:])
		for _, b := range buf {
			if int(b) < fair && len(out) < KeyLength {
				out = append(out, KeyAlphabet[int(b)%len(KeyAlphabet)])
			}
		}
	}
	return string(out)
}
