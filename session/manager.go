package session

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session/registry"
)

// Manager decides what tokens are worth and carries out every change of a session. It is safe for
// concurrent use; what several managers on one store do at once is decided by the store's conditions.
type Manager struct {
	cfg   Config
	store Store
	keys  *keyring.Ring
	clock func() time.Time
	rand  io.Reader
	log   *slog.Logger

	records   *guarded[ID, *entry]
	legacy    *guarded[KeyHash, known[*Key]] // a nil key: there is none
	ended     *guarded[Lineage, known[bool]]
	marks     *marks
	touches   *touches
	denied    *denials
	condemned condemned
	auditor   atomic.Pointer[Auditor]
	holder    string // who this process is where only one may work
	registry  atomic.Pointer[registry.Registry]
	onWrite   atomic.Pointer[func(*Session)]
	observer  atomic.Pointer[Observer]
	watcher   Watcher // nil: this process alone writes the store
	judges    Judge   // nil: the store is asked in parts
	trust     trust
	reuses    reuses
	randMu    sync.Mutex

	// locks make writers of one session in this process wait for each other rather than for a conflict.
	locks [4096]sync.Mutex
	// subjectLocks do so for the logins of one subject, where their number is limited. They come before locks.
	subjectLocks [256]sync.Mutex
	seed         maphash.Seed

	guestRate, loginRate *rate

	life lifecycle
}

// entry is what the cache keeps under an id: a record, or that there is none.
type entry struct {
	rec   *Record   // nil: no record
	guest *Session  // with rec nil: the guest that was last seen under this id
	ended bool      // with rec nil: the lineage of that guest has ended
	at    time.Time // what it is judged by is known as of this time
	seen  Mark      // the newest mark that was known before it was read
}

// known is something that is known as of a time.
type known[V any] struct {
	v  V
	at time.Time
}

// New builds a manager and reads the store's revocation state. clock gives the time and rand the
// secrets: time.Now and crypto/rand.Reader in production.
func New(cfg Config, store Store, keys *keyring.Ring, clock func() time.Time, rand io.Reader, log *slog.Logger) (*Manager, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	state, err := store.Marks(ctx)
	if err != nil {
		return nil, storeTrouble(err, "read revocation marks")
	}
	outstanding, err := store.Outstanding(ctx)
	if err != nil {
		return nil, storeTrouble(err, "read outstanding ends")
	}
	var who [8]byte
	if _, err := io.ReadFull(rand, who[:]); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "no randomness")
	}
	m := &Manager{
		holder: hex.EncodeToString(who[:]), cfg: cfg, store: store, keys: keys, clock: clock, rand: rand, log: log,
		// The ids begin with a time, so that the store appends; the last byte spreads.
		records: newGuarded[ID, *entry](cfg.CacheSize, func(id ID) byte { return id[15] }),
		legacy:  newGuarded[KeyHash, known[*Key]](cfg.CacheSize, func(h KeyHash) byte { return h[31] }),
		ended:   newGuarded[Lineage, known[bool]](cfg.CacheSize, func(l Lineage) byte { return l[15] }),
		marks:   newMarks(state),
		touches: newTouches(),
		denied:  newDenials(outstanding),
		reuses:  newReuses(),
		seed:    maphash.MakeSeed(), guestRate: newRate(cfg.GuestRate, clock()), loginRate: newRate(cfg.LoginRate, clock()),
	}
	m.judges, _ = store.(Judge)
	if m.watcher, _ = store.(Watcher); m.watcher != nil && cfg.CacheFor == 0 {
		m.cfg.CacheFor = DefaultBound
	}
	m.Observe(nil)
	return m, nil
}

// now is the clock at the precision that stores keep.
func (m *Manager) now() time.Time { return m.clock().Truncate(time.Millisecond).UTC() }

// random fills b. No randomness is nothing that anybody could go on with.
func (m *Manager) random(b []byte) {
	m.randMu.Lock()
	defer m.randMu.Unlock()
	if _, err := io.ReadFull(m.rand, b); err != nil {
		panic("session: no randomness: " + err.Error())
	}
}

// newID makes an id that sorts by its time of making: 48 bits of milliseconds and 80 random ones. It is
// public, so there is nothing to guess; the order is what lets a store append instead of writing to a
// different page for each session.
func (m *Manager) newID(now time.Time) (id ID) {
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	m.random(id[6:])
	return id
}

func (m *Manager) lock(id ID) (unlock func()) {
	l := &m.locks[(uint(id[14])<<8|uint(id[15]))%uint(len(m.locks))]
	l.Lock()
	return l.Unlock
}

// attempts bounds how often a write is tried again after it lost a race to another process. Within this
// process writers of one session wait for each other, so even the second is rare.
const attempts = 16

// retry runs a read-decide-write step until it stops losing races.
func retry[T any](ctx context.Context, step func() (T, error)) (T, error) {
	var zero T
	for range attempts {
		out, err := step()
		if !errors.Is(err, ErrConflict) {
			return out, err
		}
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
	}
	return zero, fault.New(fault.Conflict, "the session is changed by too many at once").WithHint("try again")
}

// commit writes, and keeps the caches in step. The sequence numbers are drawn before the write, see
// guarded.put.
func (m *Manager) commit(ctx context.Context, ops ...Op) (Result, error) {
	settle := make([]func(done bool), 0, len(ops))
	for _, op := range ops {
		settle = append(settle, m.settle(op))
	}
	res, err := m.store.Commit(ctx, ops...)
	for _, f := range settle {
		f(err == nil)
	}
	if err != nil {
		return res, m.commitFault(err)
	}
	for _, op := range ops {
		m.tookEffect(op, res)
		m.ends(ctx, op, res)
	}
	for _, r := range res.Records {
		m.records.drop(r.ID)
	}
	for _, l := range res.Lineages {
		m.ended.drop(l)
		m.records.drop(ID(l)) // an unwritten guest of that lineage
	}
	return res, nil
}

// settle prepares what one operation means for the caches.
func (m *Manager) settle(op Op) func(done bool) {
	switch op := op.(type) {
	case Insert:
		return m.settleRecord(op.Record)
	case Update:
		return m.settleRecord(op.Record)
	case PutKey:
		seq, h, k, at := m.legacy.begin(op.Key.Hash), op.Key.Hash, op.Key, m.committing()
		return func(done bool) {
			if done {
				m.legacy.put(h, known[*Key]{&k, at}, seq)
			} else {
				m.legacy.drop(h)
			}
		}
	case EndSubject:
		return func(bool) { m.records.drop(op.Except) }
	}
	return func(bool) {}
}

func (m *Manager) settleRecord(r *Record) func(done bool) {
	seq, at, seen := m.records.begin(r.ID), m.committing(), m.marks.current()
	return func(done bool) {
		if !done {
			m.records.drop(r.ID)
			return
		}
		c := &struct { // one piece of memory for both
			entry
			Record
		}{entry{at: at, seen: seen}, *r}
		c.rec = &c.Record
		c.Attributes = nil // the cache answers what a token is worth; data is read when it is asked for
		m.records.put(r.ID, &c.entry, seq)
	}
}

func (m *Manager) commitFault(err error) error {
	switch {
	case errors.Is(err, ErrConflict):
		return ErrConflict
	case errors.Is(err, ErrEnded):
		return errLineageEnded()
	}
	return storeTrouble(err, "write the session")
}

// storeTrouble passes a store's fault on and turns anything else into one.
func storeTrouble(err error, doing string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(err, fault.CodeOf(err), "cannot %s", doing)
}

// head reads a record through the cache. A nil record with no error: there is none. It is asked for what
// stands behind a credential that was replaced, and whether that is still open depends on first uses.
func (m *Manager) head(ctx context.Context, id ID) (*Record, error) {
	b := m.belief(ctx)
	if e, ok := m.records.get(id); ok && e.rec != nil && b.recent(e.at) {
		return e.rec, nil
	}
	seq, seen := m.records.begin(id), m.marks.current()
	r, err := m.load(ctx, id, m.readHead)
	if err != nil || r == nil {
		return nil, err
	}
	m.records.fill(id, &entry{rec: r, at: m.reading(b), seen: seen}, seq)
	return r, nil
}

// load reads a record from the store and completes it.
func (m *Manager) load(ctx context.Context, id ID, read func(context.Context, ID) (*Record, error)) (*Record, error) {
	r, err := read(ctx, id)
	if err != nil {
		return nil, storeTrouble(err, "read the session")
	}
	if r != nil {
		m.complete(r)
	}
	return r, nil
}

// complete fills in what a store does not know.
func (m *Manager) complete(r *Record) {
	r.Written = true
	m.touches.apply(r)
	r.deadlines()
	m.exposeLegacy(r)
	m.retain(r, m.now())
}

// exposeLegacy opens the legacy key that belongs to the record's state.
func (m *Manager) exposeLegacy(r *Record) {
	ref := r.Counterpart
	if r.State == StateMoving || r.State == StateMoved {
		ref = r.Claim
	}
	r.LegacyKey, r.LegacyExpires = m.openLegacy(ref), ref.Expires
}

func equalKey(a, b KeyHash) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
