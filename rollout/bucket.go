package rollout

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"
)

// Errors of [Bucket]. Both are mistakes of the caller; a visitor without an id is never given a bucket,
// because a made-up one would change at every request.
var (
	ErrNoUnit = errors.New("rollout: a bucket needs a unit, and it is empty")
	ErrSalt   = errors.New("rollout: a salt is empty or holds a NUL byte")
)

// Bucket is where a unit falls in [0, Whole): x is the big-endian uint64 of the first 8 bytes of
// SHA-256(salt ‖ 0x00 ‖ unit), and the bucket the high 64 bits of x × 1 000 000. There are no floats and
// no modulo bias, and the NUL keeps ("ab", "c") apart from ("a", "bc"). The formula is published: an
// analyst can recompute who was treated. It does not allocate for inputs of up to 127 bytes together.
func Bucket(salt, unit string) (Millionths, error) {
	if unit == "" {
		return 0, ErrNoUnit
	}
	if salt == "" || strings.IndexByte(salt, 0) >= 0 {
		return 0, ErrSalt
	}
	var space [128]byte
	in := append(space[:0], salt...)
	in = append(in, 0)
	in = append(in, unit...)
	sum := sha256.Sum256(in)
	bucket, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:8]), uint64(Whole))
	return Millionths(bucket), nil
}
