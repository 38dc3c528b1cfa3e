// Package keyring derives every key that Crossfade uses from a ring of master secrets with ids, and
// seals and signs with them.
//
// Invariant: the first key of the ring signs and seals, every key of the ring verifies and opens, and
// a key made for one purpose is useless for another. That is what lets a secret be rotated without
// logging anybody out: put the new one second (published), then first (signing), then drop the old one
// after its last credential has expired. The session plane, the edge and the API call it.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
)

// MinSecret is the least number of bytes that a master secret may have.
const MinSecret = 32

// ErrOpen says that a sealed or signed value is not ours: wrong key, wrong purpose, or altered.
var ErrOpen = errors.New("keyring: not sealed or signed by a key of this ring")

// Secret is one master secret. ID is a single byte from 1 to 255 that travels in every value made
// with it.
type Secret struct {
	ID    byte
	Bytes []byte
}

// Ring is an immutable set of keys. It is safe for concurrent use.
type Ring struct {
	keys []*key
	rand io.Reader
}

// New builds a ring; the first secret is the one that signs and seals. rand is the source of nonces,
// crypto/rand.Reader in production.
func New(rand io.Reader, secrets ...Secret) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("keyring: no secret given")
	}
	r := &Ring{rand: rand}
	seen := map[byte]bool{}
	for _, s := range secrets {
		switch {
		case s.ID == 0:
			return nil, errors.New("keyring: key id 0 is reserved")
		case seen[s.ID]:
			return nil, fmt.Errorf("keyring: key id %d given twice", s.ID)
		case len(s.Bytes) < MinSecret:
			return nil, fmt.Errorf("keyring: secret %d has %d bytes, needs %d or more", s.ID, len(s.Bytes), MinSecret)
		}
		seen[s.ID] = true
		r.keys = append(r.keys, &key{id: s.ID, master: slices.Clone(s.Bytes)})
	}
	return r, nil
}

// Sum is the HMAC-SHA256 of data under the signing key for a purpose, with the id of that key.
func (r *Ring) Sum(purpose string, data []byte) (id byte, sum [sha256.Size]byte) {
	k := r.keys[0]
	return k.id, k.mac(purpose, data)
}

// Verify reports, in constant time, whether sum (16 bytes or more of the HMAC) was made over data by
// key id for this purpose.
func (r *Ring) Verify(purpose string, id byte, data, sum []byte) bool {
	k := r.find(id)
	if k == nil || len(sum) < 16 || len(sum) > sha256.Size {
		return false
	}
	want := k.mac(purpose, data)
	return hmac.Equal(want[:len(sum)], sum)
}

// Hash is a keyed hash that must stay the same for the life of the data that it indexes, so it uses
// the oldest key, the last of the ring. Dropping that key from the ring orphans such hashes; callers
// that must survive it try [Ring.Hashes].
func (r *Ring) Hash(purpose string, data []byte) [sha256.Size]byte {
	return r.keys[len(r.keys)-1].mac(purpose, data)
}

// Hashes are the keyed hashes of data under every key of the ring, that of [Ring.Hash] first.
func (r *Ring) Hashes(purpose string, data []byte) [][sha256.Size]byte {
	out := make([][sha256.Size]byte, 0, len(r.keys))
	for i := len(r.keys) - 1; i >= 0; i-- {
		out = append(out, r.keys[i].mac(purpose, data))
	}
	return out
}

// Seal encrypts and authenticates plain with AES-256-GCM for a purpose. Layout: key id (1 byte),
// nonce (12), ciphertext and tag (16).
func (r *Ring) Seal(purpose string, plain []byte) []byte {
	k := r.keys[0]
	aead := k.aead(purpose)
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = k.id
	if _, err := io.ReadFull(r.rand, out[1:]); err != nil {
		panic("keyring: no randomness: " + err.Error()) // nothing safe can follow
	}
	return aead.Seal(out, out[1:], plain, []byte(purpose))
}

// Open reverses [Ring.Seal], or answers [ErrOpen].
func (r *Ring) Open(purpose string, sealed []byte) ([]byte, error) {
	return r.open(purpose, []byte(purpose), sealed)
}

func (r *Ring) open(purpose string, bound, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+12+16 {
		return nil, ErrOpen
	}
	k := r.find(sealed[0])
	if k == nil {
		return nil, ErrOpen
	}
	plain, err := k.aead(purpose).Open(nil, sealed[1:13], sealed[13:], bound)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// SealFor is Seal for a value that belongs to something: only with the same owner does it open again, so that
// it cannot be put in another one's place.
func (r *Ring) SealFor(purpose string, owner, plain []byte) []byte {
	k := r.keys[0]
	aead := k.aead(purpose)
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = k.id
	if _, err := io.ReadFull(r.rand, out[1:]); err != nil {
		panic("keyring: no randomness: " + err.Error()) // nothing safe can follow
	}
	return aead.Seal(out, out[1:], plain, bind(purpose, owner))
}

// OpenFor reverses [Ring.SealFor], or answers [ErrOpen].
func (r *Ring) OpenFor(purpose string, owner, sealed []byte) ([]byte, error) {
	return r.open(purpose, bind(purpose, owner), sealed)
}

func bind(purpose string, owner []byte) []byte {
	return append(append(append(make([]byte, 0, len(purpose)+1+len(owner)), purpose...), 0), owner...)
}

// Alias encrypts and authenticates plain so that the same text always gives the same alias, for what has to be
// found again by its equal: the nonce is a keyed hash of the text. It shows which values are equal and
// how long they are, nothing else. A purpose that is used here is used for nothing else.
func (r *Ring) Alias(purpose string, plain []byte) []byte { return r.keys[0].alias(purpose, plain) }

// Aliases are the aliases of plain under every key of the ring, that of [Ring.Alias] first.
func (r *Ring) Aliases(purpose string, plain []byte) [][]byte {
	out := make([][]byte, 0, len(r.keys))
	for _, k := range r.keys {
		out = append(out, k.alias(purpose, plain))
	}
	return out
}

// OpenAlias reverses both, or answers [ErrOpen].
func (r *Ring) OpenAlias(purpose string, sealed []byte) ([]byte, error) {
	return r.open(purpose, []byte(purpose), sealed)
}

// Current reports whether a sealed value is of the key that seals.
func (r *Ring) Current(sealed []byte) bool { return len(sealed) > 0 && sealed[0] == r.keys[0].id }

// SigningKey is the Ed25519 key of the first secret, for a purpose.
func (r *Ring) SigningKey(purpose string) (id byte, private ed25519.PrivateKey) {
	return r.keys[0].id, r.keys[0].ed25519(purpose)
}

// PublicKeys are the Ed25519 public keys of the whole ring for a purpose, the signing one first.
func (r *Ring) PublicKeys(purpose string) map[byte]ed25519.PublicKey {
	out := make(map[byte]ed25519.PublicKey, len(r.keys))
	for _, k := range r.keys {
		out[k.id] = k.ed25519(purpose).Public().(ed25519.PublicKey)
	}
	return out
}

func (r *Ring) find(id byte) *key {
	for _, k := range r.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// key is one master secret and what has been derived from it, kept because HKDF per request would
// cost more than the request's own work.
type key struct {
	id      byte
	master  []byte
	macs    sync.Map // purpose → *sync.Pool of *macState
	aeads   sync.Map // purpose → cipher.AEAD
	signers sync.Map // purpose → ed25519.PrivateKey
}

func (k *key) derive(kind, purpose string) []byte {
	out, err := hkdf.Key(sha256.New, k.master, nil, "crossfade/"+kind+"/"+purpose, 32)
	if err != nil {
		panic("keyring: hkdf: " + err.Error()) // only a wrong length can fail
	}
	return out
}

func (k *key) mac(purpose string, data []byte) (sum [sha256.Size]byte) {
	v, ok := k.macs.Load(purpose)
	if !ok {
		derived := k.derive("mac", purpose)
		v, _ = k.macs.LoadOrStore(purpose, &sync.Pool{New: func() any { return &macState{hash: hmac.New(sha256.New, derived)} }})
	}
	pool := v.(*sync.Pool)
	s := pool.Get().(*macState)
	s.in = append(s.in[:0], data...)
	s.hash.Reset()
	s.hash.Write(s.in)
	s.hash.Sum(s.out[:0])
	sum = s.out
	pool.Put(s)
	return sum
}

// macState is a keyed hash with room for what goes in and comes out. Whatever is handed to an interface
// escapes to the heap, so data is copied in here: then a caller's own buffer can stay on its stack.
type macState struct {
	hash hash.Hash
	in   []byte
	out  [sha256.Size]byte
}

func (k *key) aead(purpose string) cipher.AEAD {
	if v, ok := k.aeads.Load(purpose); ok {
		return v.(cipher.AEAD)
	}
	block, err := aes.NewCipher(k.derive("seal", purpose))
	if err != nil {
		panic("keyring: aes: " + err.Error()) // only a wrong key length can fail
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("keyring: gcm: " + err.Error())
	}
	v, _ := k.aeads.LoadOrStore(purpose, aead)
	return v.(cipher.AEAD)
}

func (k *key) alias(purpose string, plain []byte) []byte {
	aead, sum := k.aead(purpose), k.mac(purpose+"/nonce", plain)
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = k.id
	copy(out[1:], sum[:])
	return aead.Seal(out, out[1:], plain, []byte(purpose))
}

func (k *key) ed25519(purpose string) ed25519.PrivateKey {
	if v, ok := k.signers.Load(purpose); ok {
		return v.(ed25519.PrivateKey)
	}
	v, _ := k.signers.LoadOrStore(purpose, ed25519.NewKeyFromSeed(k.derive("ed25519", purpose)))
	return v.(ed25519.PrivateKey)
}
