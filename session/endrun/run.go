// Package endrun ends sessions by condition: all that were issued before a moment, came from a network, logged
// in by a method that is broken.
//
// Invariant: when a run says that it is done, no session that was issued before its start and meets its conditions
// is valid in the new system, and legacy has confirmed the end of each. A run is a note in the session store: any
// process goes on where another died, and there is nothing to lose with one. The session API starts runs, the
// composition root has a Runner in each process.
package endrun

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// State is where a run stands.
type State string

// The states of a run.
const (
	Running    State = "running"
	Confirming State = "confirming" // all have ended here; legacy has not confirmed each
	Done       State = "done"
	Cancelled  State = "cancelled" // what it has ended stays ended
)

// Over reports whether nothing is left to do.
func (s State) Over() bool { return s == Done || s == Cancelled }

// Order asks for a run.
type Order struct {
	Where  Where
	DryRun bool // look and count, end nothing
	Author string
	Reason string
	Rate   int // sessions a second at most; 0: DefaultRate
}

// DefaultRate ends a million sessions in half an hour and leaves most of a store to its visitors.
const (
	DefaultRate = 500
	MaxRate     = 100_000
)

// Run is one run as it stands.
type Run struct {
	ID      ID        `json:"id"`
	Where   Where     `json:"where"`
	DryRun  bool      `json:"dry_run,omitempty"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	Rate    int       `json:"rate"`
	State   State     `json:"state"`
	Started time.Time `json:"started"`
	// Finished is when it was done or cancelled.
	Finished    time.Time `json:"finished,omitzero"`
	CancelledBy string    `json:"cancelled_by,omitempty"`
	// Pass counts the readings of the whole store, from 1. The last begins when every write that was under way at
	// the start is long over: what slipped in behind the first is met by that.
	Pass    int       `json:"pass"`
	PassAt  time.Time `json:"pass_at"`
	Cursor  string    `json:"cursor,omitempty"`
	Scanned uint64    `json:"scanned"` // records looked at, in all passes
	Matched uint64    `json:"matched"` // would end, or has ended
	// Ended may miss what a process did in the two seconds before it died: those have ended, and do not match again.
	Ended   uint64   `json:"ended"`
	Samples []string `json:"samples,omitempty"` // ids of some that matched
	Trouble string   `json:"trouble,omitempty"` // why it does not get on, if it does not
	Lease   Lease    `json:"lease,omitzero"`

	// Outstanding is how many of its ends legacy has not confirmed; with AtLeast there may be more.
	Outstanding int  `json:"-"`
	AtLeast     bool `json:"-"`

	version uint64 // of its note
}

// Lease says which process works on a run, and until when nobody else need look after it.
type Lease struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until"`
}

// ID names a run: 6 bytes of its time in milliseconds and 2 random ones, so that names sort by age.
type ID session.EndGroup

// String is 16 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes 16 hex digits.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads them.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// ParseID reads 16 hex digits.
func ParseID(s string) (ID, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(ID{}) {
		return ID{}, fault.New(fault.Invalid, "%.40q is not the id of a run", s).
			WithHint("crossfade session ends lists them: 16 hex digits")
	}
	return ID(b), nil
}

// notePrefix begins the names of the notes that are runs.
const notePrefix = "ends/"

func (r *Run) note() session.PutNote {
	value, err := json.Marshal(r)
	if err != nil {
		panic("endrun: " + err.Error()) // every value in it marshals
	}
	return session.PutNote{Note: session.Note{Name: notePrefix + r.ID.String(), Version: r.version + 1, Value: value}}
}

func readRun(n session.Note) (*Run, error) {
	r := &Run{version: n.Version}
	if err := json.Unmarshal(n.Value, r); err != nil || n.Name != notePrefix+r.ID.String() {
		return nil, fault.Wrap(err, fault.Internal, "the note of run %.40q cannot be read", strings.TrimPrefix(n.Name, notePrefix)).
			WithHint("it may have been written by a newer crossfade")
	}
	return r, nil
}

// match is what a run looks for: its conditions, and that a session is older than the run.
func (r *Run) match(rec *session.Record) bool {
	return rec.IssuedAt().Before(r.Started) && r.Where.Match(rec)
}
