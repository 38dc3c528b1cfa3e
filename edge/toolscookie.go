package edge

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

const (
	purposeTools = "tools"
	// maxToolsText bounds legacy key and subject together, so that all cookies stay under 1 KB. Beyond it the
	// subject is left out, and legacy is asked with every request.
	maxToolsText = 116
)

// toolsSession is the session of an internal tool as the browser carries it. It is sealed: it holds a legacy
// session key, which must open nothing without being held against what has ended since.
type toolsSession struct {
	Key     string // its legacy session key
	Lineage session.Lineage
	Subject string
	Born    session.Mark
	Expires time.Time // of the cookie, to the second; zero: when the browser closes, and legacy's row says
	// Known: legacy has said whose it is. Otherwise lineage and subject are not there to be held against
	// anything but the mark of everybody.
	Known bool
}

// The plain text: format 1 ‖ lineage 16 ‖ born 8 ‖ expires 4 ‖ key length 1 ‖ key ‖ subject. The format is 1 for
// a session that is known, 2 for one that legacy is still to be asked about. The cookie is base64url-nopad of
// the ring's seal of it, purpose "tools".
const (
	toolsKnown   = 1
	toolsUnknown = 2
	toolsFixed   = 1 + 16 + 8 + 4 + 1
	toolsSealed  = 1 + 12 + toolsFixed + maxToolsText + 16
)

// seal makes the cookie; empty if the key is none that fits.
func (t *toolsSession) seal(ring *keyring.Ring) string {
	format, subject := byte(toolsUnknown), ""
	if t.Known && len(t.Key)+len(t.Subject) <= maxToolsText {
		format, subject = toolsKnown, t.Subject
	}
	if t.Key == "" || len(t.Key) > maxToolsText || !plainValue(t.Key) {
		return ""
	}
	expires := uint32(0)
	if !t.Expires.IsZero() {
		expires = uint32(min(max(t.Expires.Unix(), 1), math.MaxUint32))
	}
	raw := make([]byte, 0, toolsFixed+len(t.Key)+len(subject))
	raw = append(raw, format)
	raw = append(raw, t.Lineage[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.Born))
	raw = binary.BigEndian.AppendUint32(raw, expires)
	raw = append(raw, byte(len(t.Key)))
	raw = append(raw, t.Key...)
	raw = append(raw, subject...)
	return cookieEncoding.EncodeToString(ring.Seal(purposeTools, raw))
}

// plainValue holds for what every parser takes as one cookie's value: nothing else may go to legacy as its key.
func plainValue(text string) bool {
	for i := range len(text) {
		if !valueBytes[text[i]] {
			return false
		}
	}
	return true
}

// openTools reads a cookie that this ring sealed. It judges nothing.
func openTools(ring *keyring.Ring, text string) (toolsSession, bool) {
	var space [toolsSealed]byte
	sealed, ok := decodeCookie(space[:], text)
	if !ok {
		return toolsSession{}, false
	}
	raw, err := ring.Open(purposeTools, sealed)
	if err != nil || len(raw) < toolsFixed || raw[0] != toolsKnown && raw[0] != toolsUnknown {
		return toolsSession{}, false
	}
	t := toolsSession{
		Known:   raw[0] == toolsKnown,
		Lineage: session.Lineage(raw[1:17]),
		Born:    session.Mark(binary.BigEndian.Uint64(raw[17:25])),
	}
	if expires := binary.BigEndian.Uint32(raw[25:29]); expires != 0 {
		t.Expires = time.Unix(int64(expires), 0)
	}
	size, rest := int(raw[29]), raw[toolsFixed:]
	if size == 0 || size > len(rest) || !t.Known && size != len(rest) {
		return toolsSession{}, false
	}
	t.Key, t.Subject = string(rest[:size]), string(rest[size:])
	return t, true
}

// learn takes over what legacy says of the session, and reports whether it is one that may be served. A mark
// that was not drawn yet would outlive ends, and a guest's session need not be stamped.
func (t *toolsSession) learn(view legacy.View, current session.Mark) bool {
	born := min(view.Born, current)
	if view.Kind != session.Authenticated {
		born = max(born, t.Born)
	}
	t.Known, t.Lineage, t.Subject, t.Born = true, view.Lineage, view.Subject, born
	return view.Found && !view.Ended && !view.Moved
}

// toolsOver reports whether a tools session is over whatever its marks say: it has expired, or its lineage is denied.
func (e *Edge) toolsOver(t *toolsSession, now time.Time) bool {
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return true
	}
	if !t.Lineage.IsZero() && e.deps.Sessions.Denied(t.Lineage) {
		e.obs.Counted(CountDenied, 0)
		return true
	}
	return false
}

// endedElsewhere asks the session store what memory cannot know while the watch of a shared store is lost: whether
// another process ended the lineage, or drew a mark. Where the store does not answer, memory's word holds: staff
// get at their tools whatever fails.
func (e *Edge) endedElsewhere(ctx context.Context, t *toolsSession) bool {
	patience := withPatience(ctx, e.cfg.Handover.StoreDeadline)
	defer patience.done()
	void, err := e.deps.Sessions.Revoked(patience, t.Lineage, t.Subject, t.Born)
	return err == nil && void
}

// toolsMarked reports whether a mark has come over a tools session: everybody's, or its subject's.
func (e *Edge) toolsMarked(t *toolsSession) bool {
	return t.Born < e.deps.Sessions.MarkAgainst(t.Subject)
}
