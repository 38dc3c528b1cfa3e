package session

import (
	"context"
	"errors"
	"time"
)

// The two answers of [Store.Commit] that the manager acts on; anything else is trouble of the store's
// own and carries a fault code.
var (
	// ErrConflict: a condition of the commit does not hold any more. Nothing was written.
	ErrConflict = errors.New("session store: the record changed meanwhile")
	// ErrEnded: an Insert belongs to a lineage that has ended. Nothing was written.
	ErrEnded = errors.New("session store: the lineage has ended")
)

// Store keeps records, legacy keys, tombstones, marks, the outbox and notes. It knows one rule: a write takes
// effect only if its condition holds at that very moment, all operations of a Commit together or none.
//
// Reads see every commit that was answered before they began. Absent is not an error: a nil record or
// key. Trouble with the store is a fault with code unavailable, and then nothing that was answered
// before is lost. Every method is safe for concurrent use and obeys ctx; a Commit whose ctx ended has
// either not happened or is answered with what it did, so an error other than a timeout within the
// store always means "not written". Records and slices that a store returns belong to the caller.
//
// The suite in sessiontest states all of it as tests.
type Store interface {
	// Head reads a record without its attributes, in whatever state it is, views included.
	Head(ctx context.Context, id ID) (*Record, error)
	// Full reads a record with its attributes; a record without any has an empty map.
	Full(ctx context.Context, id ID) (*Record, error)
	// Generations reads the heads of a lineage's records, views left out, highest generation first.
	Generations(ctx context.Context, l Lineage) ([]*Record, error)
	// OfSubject reads heads of a subject's live and moving records, newest first, that come after the
	// cursor; a zero cursor begins.
	OfSubject(ctx context.Context, subject string, after Cursor, limit int) ([]*Record, error)
	// Ended reports whether a lineage has a tombstone.
	Ended(ctx context.Context, l Lineage) (bool, error)
	// Key finds the first of the hashes that is known.
	Key(ctx context.Context, hashes ...KeyHash) (*Key, error)
	// Marks reads the whole revocation state.
	Marks(ctx context.Context) (Marks, error)
	// Due reads ends that legacy has not confirmed and whose next attempt is not after now, oldest first.
	Due(ctx context.Context, now time.Time, limit int) ([]PendingEnd, error)
	// Outstanding reads which lineages each unconfirmed end covers, by the end's id. An end without
	// lineages has an entry too.
	Outstanding(ctx context.Context) (map[int64][]Lineage, error)
	// Scan reads records with their attributes, in whatever state they are, views included, in an order of
	// the store's own. An empty after begins; next goes on there, in any process and however much later, and
	// is empty at the end. A record that exists from the first page to the last is on at least one of them,
	// and may be on several: a store that cannot go on at a place any more begins again. A page has about
	// limit records; before the end it may have fewer, or none. A cursor that no scan of this kind of store
	// gave is a fault with code invalid.
	Scan(ctx context.Context, after string, limit int) (page []*Record, next string, err error)
	// Notes reads the notes whose names begin with prefix, in the order of their names' bytes.
	Notes(ctx context.Context, prefix string) ([]Note, error)

	// Commit carries the operations out in order, atomically, and answers when they are durable. Insert,
	// Update, PutKey and EndLineage, at most one of them with a Notice, go together; each other operation is
	// alone in its commit.
	Commit(ctx context.Context, ops ...Op) (Result, error)
	// Touch merges activity into live and moving records: LastSeen only ever grows, First and Used are
	// set only when they are zero, a record whose idle deadline had passed at Since is left alone, and so
	// is every other field and the version. A touch for a secret that is not current sets only LastSeen
	// and First. Keys likewise have Presented set once. Records and keys that are gone are skipped.
	Touch(ctx context.Context, touches []Touch, keys []KeyTouch) error
	// Sweep deletes at most limit rows that no credential can need any more, and reports how many it
	// looked at: 0 means that nothing is left to do for now. A store whose engine lets rows expire by itself
	// may leave records and keys to it.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)
}

// Cursor is a place in a list that is ordered newest first.
type Cursor struct {
	Created time.Time
	ID      ID
}

// Marks is the revocation state: the last value drawn, the mark of everybody, those of subjects.
type Marks struct {
	Sequence Mark
	Global   Mark
	Subjects map[string]Mark
}

// Touch is activity that was seen on a session: from Since on, each time before the deadline that the time
// before it gave, and last at Seen.
type Touch struct {
	ID     ID
	Since  time.Time
	Seen   time.Time
	Used   time.Time  // first presentation of Secret; zero: nothing to say
	Secret SecretHash // with Used
	// Unseal drops the sealed secret: the race that it was kept for is over.
	Unseal bool
}

// KeyTouch is the first presentation of a legacy key.
type KeyTouch struct {
	Hash      KeyHash
	Presented time.Time
}

// Note is a small paper by which processes coordinate: who works on what, and how far it is. Names are at
// most 128 bytes of printable ASCII, values at most 64 KiB; there are few.
type Note struct {
	Name    string
	Version uint64 // 1 when stored first
	Value   []byte
}

// Op is one conditional write. The set is closed; stores switch over it.
type Op interface{ op() }

// Insert adds a record. Its id, and for anything but a view its lineage and generation together, must be
// free (ErrConflict), and its lineage must have no tombstone (ErrEnded).
type Insert struct{ Record *Record }

// Update replaces a record whose stored version is Record.Version−1 (else, or when it is gone,
// ErrConflict). A tombstoned record has a higher version, so nothing in flight can write it. LastSeen
// never shrinks; First, and Used while the secret stays, are kept where they are set already.
type Update struct{ Record *Record }

// PutKey stores a key row whose stored version is Key.Version−1; version 1 means that there is none yet.
// Presented is kept where it is set already.
type PutKey struct{ Key Key }

// PutNote stores a note whose stored version is Note.Version−1; version 1 means that there is none yet (else
// ErrConflict). An empty Value deletes it, and the next one of that name begins at 1 again. It is alone in
// its Commit: some stores keep notes elsewhere than sessions.
type PutNote struct{ Note Note }

// EndLineage leaves a tombstone for a lineage, known or not, and ends its records: ended, whatever they
// were, version+1, attributes and sealed secret dropped. Repeated, it keeps the first reason and notice, and
// only Keep may grow: the least time that the tombstone stays. It stays longer where a record does.
type EndLineage struct {
	Lineage Lineage
	Reason  string
	At      time.Time
	Keep    time.Time
	Notify  *Notice // nil: legacy need not be told
}

// EndSubject draws the next mark, makes it the subject's, and does what EndLineage does for each lineage
// that has a record of this subject, one apart. The spared record must be live at ExceptVersion
// (ErrConflict); it is born again at the new mark, version+1.
type EndSubject struct {
	Subject       string
	Reason        string
	At            time.Time
	Keep          time.Time
	Except        ID // zero: spare none
	ExceptVersion uint64
	ExceptLineage Lineage
	Notify        *Notice
}

// EndEverybody draws the next mark and makes it everybody's. No record is touched.
type EndEverybody struct {
	Reason string
	At     time.Time
	Notify *Notice
}

// Notice puts an end into the outbox, in the same commit.
type Notice struct{ Operation [16]byte }

// ConfirmEnd takes an end out of the outbox; gone already is no error.
type ConfirmEnd struct{ ID int64 }

// FailEnd counts a failed attempt; the next is due after a pause that begins with First and doubles with
// each attempt up to Last.
type FailEnd struct {
	ID          int64
	Cause       string
	At          time.Time
	First, Last time.Duration
}

// Pause is the time until the next attempt after so many have failed.
func (f FailEnd) Pause(attempts int) time.Duration {
	return min(f.Last, f.First<<min(max(attempts-1, 0), 20))
}

func (Insert) op()       {}
func (Update) op()       {}
func (PutKey) op()       {}
func (PutNote) op()      {}
func (EndLineage) op()   {}
func (EndSubject) op()   {}
func (EndEverybody) op() {}
func (ConfirmEnd) op()   {}
func (FailEnd) op()      {}

// Result is what a Commit found out.
type Result struct {
	Mark  Mark  // drawn by EndSubject or EndEverybody
	EndID int64 // of the outbox row, if there was a Notice
	// Records that ended now, and the lineages that have a tombstone now by an end of this commit.
	Records  []EndedRecord
	Lineages []Lineage
}

// EndedRecord is a record that an end met.
type EndedRecord struct {
	ID   ID
	Live bool // it was live or moving before
}
