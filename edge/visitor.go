package edge

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

const (
	purposeVisitor = "visitor"
	// MaxSegment is the longest segment name that a visitor cookie keeps.
	MaxSegment = 32
	// visitorLife is the longest that browsers keep a cookie.
	visitorLife = 400 * 24 * time.Hour
	// visitorRefresh is the age from which the cookie is written again, so that it never runs out on a
	// visitor who comes back.
	visitorRefresh = 30 * 24 * time.Hour
)

// visitor is what the visitor cookie says: all that has to be known about a browser without asking a
// store. It is signed, not sealed: nothing in it is a secret of ours, and none of it proves a login.
type visitor struct {
	ID       session.VisitorID
	IssuedAt uint32 // Unix seconds, of this writing of the cookie
	// System is the one that served the last entry; none: there was no entry yet.
	System rollout.System
	// Version is the snapshot version that the last handover was planned under, and HandedAt when.
	Version  uint64
	HandedAt uint32
	Sticky   rollout.Sticky
	Exposed  exposed
	Employee bool
	Segment  string
	LoggedIn bool // the last entry was served as somebody
	// Transient: until the browser is closed, and then it is no loss.
	Transient bool
	Steps     uint64 // funnel steps reached, bit by bit
}

// exposed is the first meeting with the experiment in an epoch.
type exposed struct {
	Epoch     uint64
	Stage     uint8
	Arm       rollout.System
	Confirmed bool // the cookie came back with it
}

// The cookie: base64url-nopad(key id 1 ‖ format 1 ‖ id 16 ‖ issued 4 ‖ handed 4 ‖ flags 1 ‖ bits 1 ‖
// stage 1 ‖ uvarints: version, sticky epoch and version, exposure epoch, steps ‖ segment length 1 ‖ segment ‖
// mac 16). flags are three systems of two bits each, from the lowest: last entry, sticky, arm; bits are
// employee, logged in, confirmed, transient. mac is the first 16 bytes of the ring's HMAC over all between the key
// id and itself.
const (
	visitorFormat = 1
	visitorFixed  = 1 + 16 + 4 + 4 + 1 + 1 + 1
	visitorMax    = 1 + visitorFixed + 5*binary.MaxVarintLen64 + 1 + MaxSegment + 16
)

var cookieEncoding = base64.RawURLEncoding.Strict()

// encode signs the visitor's record.
func (v *visitor) encode(ring *keyring.Ring) string {
	var space [visitorMax]byte
	raw := append(space[:0], 0, visitorFormat)
	raw = append(raw, v.ID[:]...)
	raw = binary.BigEndian.AppendUint32(raw, v.IssuedAt)
	raw = binary.BigEndian.AppendUint32(raw, v.HandedAt)
	raw = append(raw, byte(v.System)|byte(v.Sticky.System)<<2|byte(v.Exposed.Arm)<<4)
	raw = append(raw, bit(v.Employee, 0)|bit(v.LoggedIn, 1)|bit(v.Exposed.Confirmed, 2)|bit(v.Transient, 3), v.Exposed.Stage)
	raw = binary.AppendUvarint(raw, v.Version)
	raw = binary.AppendUvarint(raw, v.Sticky.Epoch)
	raw = binary.AppendUvarint(raw, v.Sticky.Version)
	raw = binary.AppendUvarint(raw, v.Exposed.Epoch)
	raw = binary.AppendUvarint(raw, v.Steps)
	segment := v.Segment
	if len(segment) > MaxSegment {
		segment = ""
	}
	raw = append(raw, byte(len(segment)))
	raw = append(raw, segment...)
	key, sum := ring.Sum(purposeVisitor, raw[1:])
	raw[0] = key
	return cookieEncoding.EncodeToString(append(raw, sum[:16]...))
}

// decodeVisitor reads a cookie that this ring signed.
func decodeVisitor(ring *keyring.Ring, text string) (visitor, bool) {
	var space [visitorMax]byte
	raw, ok := decodeCookie(space[:], text)
	if !ok || len(raw) < 1+visitorFixed+6+16 {
		return visitor{}, false
	}
	body, mac := raw[1:len(raw)-16], raw[len(raw)-16:]
	if body[0] != visitorFormat || !ring.Verify(purposeVisitor, raw[0], body, mac) {
		return visitor{}, false
	}
	systems, bits := body[25], body[26]
	v := visitor{
		ID:       session.VisitorID(body[1:17]),
		IssuedAt: binary.BigEndian.Uint32(body[17:21]),
		HandedAt: binary.BigEndian.Uint32(body[21:25]),
		System:   rollout.System(systems & 3),
		Sticky:   rollout.Sticky{System: rollout.System(systems >> 2 & 3)},
		Exposed:  exposed{Arm: rollout.System(systems >> 4 & 3), Stage: body[27], Confirmed: bits&4 != 0},
		Employee: bits&1 != 0,
		LoggedIn: bits&2 != 0,

		Transient: bits&8 != 0,
	}
	rest := body[visitorFixed:]
	for _, field := range []*uint64{&v.Version, &v.Sticky.Epoch, &v.Sticky.Version, &v.Exposed.Epoch, &v.Steps} {
		n, size := binary.Uvarint(rest)
		if size <= 0 {
			return visitor{}, false
		}
		*field, rest = n, rest[size:]
	}
	if len(rest) == 0 || int(rest[0]) != len(rest)-1 || len(rest)-1 > MaxSegment || v.ID.IsZero() {
		return visitor{}, false
	}
	v.Segment = string(rest[1:])
	return v, v.System <= rollout.New && v.Sticky.System <= rollout.New && v.Exposed.Arm <= rollout.New
}

// decodeCookie decodes base64url into space. The decoder skips line breaks, so the length is held
// against it: one cookie has one spelling.
func decodeCookie(space []byte, text string) ([]byte, bool) {
	if len(text) > cookieEncoding.EncodedLen(len(space)) {
		return nil, false
	}
	var copied [1024]byte
	if len(text) > len(copied) {
		return nil, false
	}
	n, err := cookieEncoding.Decode(space, copied[:copy(copied[:], text)])
	if err != nil || cookieEncoding.EncodedLen(n) != len(text) {
		return nil, false
	}
	return space[:n], true
}

func bit(set bool, at uint) byte {
	if set {
		return 1 << at
	}
	return 0
}

// handed notes a handover under a snapshot.
func (v *visitor) handed(version uint64, now time.Time) {
	v.Version, v.HandedAt = version, uint32(now.Unix())
}

// newerThan reports whether the last handover was planned under a snapshot that this edge has not seen.
// A record older than the heartbeat allows cannot be: then the control plane has started its versions
// anew, and it counts for nothing.
func (v *visitor) newerThan(version uint64, now time.Time, heartbeat time.Duration) bool {
	return v.Version > version && now.Sub(time.Unix(int64(v.HandedAt), 0)) < 4*heartbeat
}
