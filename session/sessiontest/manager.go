package sessiontest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

// RunManager checks what the Manager promises, on a store that open gives, with a clock that only moves
// when a test moves it.
func RunManager(t *testing.T, open func(testing.TB) session.Store) {
	for name, test := range map[string]func(*testing.T, *rig){
		"guest":       testGuest,
		"patch":       testPatch,
		"on write":    testOnWrite,
		"audit":       testAudit,
		"limits":      testLimits,
		"registry":    testRegistry,
		"merges":      testMerges,
		"held":        testHeld,
		"retention":   testRetentionSweep,
		"expiry":      testExpiry,
		"rotate":      testRotate,
		"login":       testLogin,
		"device":      testDevice,
		"transient":   testTransient,
		"step-up":     testStepUp,
		"exchange":    testExchange,
		"refusals":    testRefusals,
		"take over":   testTakeOver,
		"restore":     testRestore,
		"way back":    testWayBack,
		"succession":  testSuccession,
		"end":         testEnd,
		"outbox":      testManagerOutbox,
		"end runs":    testEndRuns,
		"per subject": testPerSubject,
		"rate":        testRate,
		"list":        testList,
		"races":       testManagerRaces,
		"store down":  testStoreDown,
		"second node": testSecondNode,
		"bound":       testBound,
		"lifecycle":   testLifecycle,
	} {
		t.Run(name, func(t *testing.T) { test(t, newRig(t, open(t), session.Config{})) })
	}
}

// Clock is a clock that stands still.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now is the time that it stands at.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves it on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const grace = 30 * time.Second

// rig is a manager on a store that can be made to fail.
type rig struct {
	*session.Manager
	t     testing.TB
	clock *Clock
	store *breakable
	cfg   session.Config
	ring  *keyring.Ring
}

func newRig(t testing.TB, store session.Store, cfg session.Config) *rig {
	t.Helper()
	r := &rig{t: t, clock: NewClock(epoch), store: &breakable{Store: store}, cfg: cfg}
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	r.ring = ring
	r.Manager = r.node(cfg)
	return r
}

// node opens another manager on the same store, as another process or after a restart.
func (r *rig) node(cfg session.Config) *session.Manager {
	r.t.Helper()
	m, err := session.New(cfg, r.store, r.ring, r.clock.Now, rand.Reader, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// settle writes activity that is waiting.
func (r *rig) settle() { r.Stop(r.t.Context()) }

func (r *rig) worth(token string, want session.Worth) session.Resolution {
	r.t.Helper()
	res := r.Resolve(r.t.Context(), token)
	if res.Worth != want {
		r.t.Fatalf("the token is worth %v, want %v", res.Worth, want)
	}
	return res
}

func (r *rig) read(id session.ID) map[string]string {
	r.t.Helper()
	_, attrs, err := r.Read(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]string{}
	for k, a := range attrs {
		out[k] = string(a.Value)
	}
	return out
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("unexpected error: %v", err)
	}
}

func (r *rig) fails(code fault.Code, err error) {
	r.t.Helper()
	if fault.CodeOf(err) != code {
		r.t.Fatalf("got %v (%s), want %s", err, fault.CodeOf(err), code)
	}
}

func values(kv ...string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for i := 0; i < len(kv); i += 2 {
		out[kv[i]] = json.RawMessage(kv[i+1])
	}
	return out
}

// Proof is what a guest's session says about its token.
func Proof(s *session.Session) *session.GuestProof {
	return &session.GuestProof{ID: s.ID, Visitor: s.Visitor, Issued: s.Created, ExpiresAt: s.ExpiresAt, Born: s.Born}
}

// guest makes a guest with a cart, and answers its token.
func (r *rig) guest() session.Issued {
	r.t.Helper()
	p, err := r.Patch(r.t.Context(), session.Patch{Guest: Proof(r.NewGuest(session.VisitorID{1}).Session), Set: values("cart", "[1]")})
	r.ok(err)
	return *p.Replace
}

// login makes a session of a subject that has no legacy side.
func (r *rig) login(subject string) session.Issued {
	r.t.Helper()
	in, err := r.Upgrade(r.t.Context(), session.Upgrade{Subject: subject, Born: r.CurrentMark(), Set: values("cart", "[2]")})
	r.ok(err)
	return in
}

// breakable is a store that fails on demand, before it does anything.
type breakable struct {
	session.Store
	mu      sync.Mutex
	broken  bool
	commits int
}

func (b *breakable) set(broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = broken
}

func (b *breakable) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return fault.New(fault.Unavailable, "the store is down")
	}
	return nil
}

func (b *breakable) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.commits
}

func (b *breakable) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Store.Head(ctx, id)
}

func (b *breakable) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Store.Full(ctx, id)
}

func (b *breakable) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	if err := b.err(); err != nil {
		return false, err
	}
	return b.Store.Ended(ctx, l)
}

func (b *breakable) Key(ctx context.Context, h ...session.KeyHash) (*session.Key, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Store.Key(ctx, h...)
}

func (b *breakable) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	if err := b.err(); err != nil {
		return session.Result{}, err
	}
	b.mu.Lock()
	b.commits++
	b.mu.Unlock()
	return b.Store.Commit(ctx, ops...)
}

func (b *breakable) Touch(ctx context.Context, ts []session.Touch, ks []session.KeyTouch) error {
	if err := b.err(); err != nil {
		return err
	}
	return b.Store.Touch(ctx, ts, ks)
}
