package edge

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/keyring"
)

// What fuzz tests and tables look at from inside.
var (
	Forbidden  = forbidden
	Canonical  = canonical
	OwnHeader  = ours
	FreeReturn = freeToReturn
)

// DecodeVisitor reports whether a visitor cookie verifies, and what it is when written again.
func DecodeVisitor(ring *keyring.Ring, text string) (again string, ok bool) {
	v, ok := decodeVisitor(ring, text)
	if !ok {
		return "", false
	}
	return v.encode(ring), true
}

// VisitorVerifies reports whether a visitor cookie verifies.
func VisitorVerifies(ring *keyring.Ring, text string) bool {
	_, ok := decodeVisitor(ring, text)
	return ok
}

// SampleVisitor is a full record.
func SampleVisitor(ring *keyring.Ring) string {
	v := visitor{
		ID: [16]byte{1, 2, 3}, IssuedAt: 4_000_000_000, System: 2, Version: 1<<64 - 1, HandedAt: 4_000_000_000,
		Employee: true, Segment: strings.Repeat("s", MaxSegment), LoggedIn: true, Steps: 1<<64 - 1,
	}
	v.Sticky.Epoch, v.Sticky.System = 1<<64-1, 2
	v.Exposed = exposed{Epoch: 1<<64 - 1, Stage: 255, Arm: 2, Confirmed: true}
	return v.encode(ring)
}

// OpenTicket reports whether a ticket opens.
func OpenTicket(ring *keyring.Ring, text string) (key, subject string, ok bool) {
	t, ok := openTicket(ring, text)
	return t.Key, t.Subject, ok
}

// KeptTickets is how an edge opens tickets.
func KeptTickets(ring *keyring.Ring) func(text string) (key string, ok bool) {
	tickets := newKept(ring, shared(openTicket))
	return func(text string) (string, bool) {
		if t := tickets.open(text); t != nil {
			return t.Key, true
		}
		return "", false
	}
}

// KeptVisitors is how an edge reads visitor cookies.
func KeptVisitors(ring *keyring.Ring) func(text string) bool {
	visitors := newKept(ring, seeVisitor)
	return func(text string) bool { return visitors.open(text) != nil }
}

// SampleTicket seals a ticket.
func SampleTicket(ring *keyring.Ring, key, subject string) string {
	t := ticket{Key: key, Subject: subject, Token: hashToken("cf1_x")}
	return t.seal(ring)
}

// SampleTools seals a tools session.
func SampleTools(ring *keyring.Ring, key, subject string) string {
	t := toolsSession{Key: key, Subject: subject, Known: true, Born: 1<<64 - 1, Lineage: [16]byte{1}}
	return t.seal(ring)
}

// OpenTools reports whether a tools cookie opens, and whether legacy need not be asked whose it is.
func OpenTools(ring *keyring.Ring, text string) (key, subject string, known, ok bool) {
	t, ok := openTools(ring, text)
	return t.Key, t.Subject, t.Known, ok
}

// KeptTools is how an edge reads tools cookies.
func KeptTools(ring *keyring.Ring) func(text string) bool {
	tools := newKept(ring, shared(openTools))
	return func(text string) bool { return tools.open(text) != nil }
}

// Jar reads Cookie headers and tells what counts and what is passed on.
func Jar(headers []string, key string) (session, legacy []string, rebuilt string) {
	names := namesOf(false, "sessionid")
	var j jar
	j.read(headers, &names)
	return j.session.list(), j.legacy.list(), rebuild(headers, &names, key, false)
}

// HostJudge answers what a host is refused with; 0: it is accepted.
func HostJudge(t testing.TB, public string, others ...string) func(host string) int {
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHosts(u, others)
	if err != nil {
		t.Fatal(err)
	}
	return func(host string) int {
		if d := h.judge(host); d != nil {
			return d.status
		}
		return 0
	}
}

// StripRequest is what a browser's headers are reduced to.
func StripRequest(h, trailer http.Header) bool { return stripRequest(h, trailer) }

// TouchesDone waits for what runs in the background.
func (e *Edge) TouchesDone() { e.upkeep.wait.Wait() }

// OpenStreams counts the streams that are watched.
func (e *Edge) OpenStreams() int {
	e.streams.mu.Lock()
	defer e.streams.mu.Unlock()
	return len(e.streams.open)
}

// LookAtStreams is one tick of the watcher.
func (e *Edge) LookAtStreams() { e.streams.look() }

// FormFields is formFields, taken apart.
func FormFields(body string) (names, values []string, ok bool) {
	fields, ok := formFields(body)
	for _, f := range fields {
		names, values = append(names, f.Name), append(values, f.Value)
	}
	return names, values, ok
}
