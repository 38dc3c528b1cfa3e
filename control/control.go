// Package control keeps the rollouts and the magic cookies of a site, and publishes what edges decide by.
//
// Invariant: what a snapshot says is on disk, with its author and reason, before any edge sees it; the
// one exception is a kill that the disk refuses, which is in force first and saved as soon as that
// works. Readers of [Control.Snapshot] take no lock. The application opens one Control per process;
// edges in the process read and watch it, and controlapi serves it to operators.
package control

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/rollout"
)

// Config says where control keeps its state and how it behaves. Zero values are the defaults.
type Config struct {
	// Path of the database file; its directory must exist.
	Path string
	// Stages and ControlSlice of the rollout "sessions" when it is first made; the start of an epoch can
	// change both. Defaults: the default ladder, and no slice. [UsualControlSlice] suits a site with enough
	// visitors to compare; on a small one it would only keep people from the new system.
	Stages       []rollout.Stage
	ControlSlice rollout.Millionths
	// Heartbeat is how often the snapshot is confirmed; edges grow suspicious of an older one. Default
	// 5 s; negative: only when [Control.Beat] is called.
	Heartbeat time.Duration
	// AckTimeout is how long a kill waits for edges before it reports them as outstanding. Default 5 s.
	AckTimeout time.Duration
	// FinishGrace is how long finishing can still be taken back. Default 0: final at once.
	FinishGrace time.Duration
	// Removable is what a finish reports as no longer needed; see [Removable].
	Removable []string
}

// Defaults of Config.
const (
	DefaultHeartbeat  = 5 * time.Second
	DefaultAckTimeout = 5 * time.Second
)

// UsualControlSlice is 10 %.
const UsualControlSlice = rollout.Whole / 10

func (c Config) withDefaults() Config {
	if len(c.Stages) == 0 {
		c.Stages = rollout.DefaultLadder()
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = DefaultAckTimeout
	}
	return c
}

// Deps are what control needs of the process.
type Deps struct {
	Now  func() time.Time
	Rand io.Reader // crypto/rand.Reader in production
	Ring *keyring.Ring
	Log  *slog.Logger
}

// Control is the control plane of one process. It is safe for concurrent use.
type Control struct {
	cfg  Config
	deps Deps
	db   *store

	snapshot atomic.Pointer[rollout.Snapshot]

	writing sync.Mutex    // held over a change and its publication
	unsaved []unsavedKill // in force but not on disk; guarded by writing
	owed    atomic.Int32  // how many those are, for who cannot wait

	watching sync.Mutex
	watchers []*watcher
	notes    sync.WaitGroup // notifications under way

	stop context.CancelFunc
	beat chan struct{} // closed when the heartbeat has ended
}

// Open opens or makes the database, publishes its newest state and starts the heartbeat. A database
// that another process uses is refused. Close it.
func Open(ctx context.Context, cfg Config, deps Deps) (*Control, error) {
	cfg = cfg.withDefaults()
	db, err := openStore(ctx, cfg.Path)
	if err != nil {
		return nil, err
	}
	c := &Control{cfg: cfg, deps: deps, db: db, beat: make(chan struct{})}
	if err := c.load(ctx); err != nil {
		db.close()
		return nil, err
	}
	beats, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	go c.heartbeat(beats)
	return c, nil
}

// load publishes what is stored, and makes the first rollout if there is none.
func (c *Control) load(ctx context.Context) error {
	now := c.deps.Now()
	st, err := c.db.read(ctx, now)
	if err == nil && len(st.rollouts) == 0 {
		st, err = c.db.update(ctx, now, 0, func(t *tx) error { return c.firstRollout(ctx, t) })
	}
	if err != nil {
		return err
	}
	c.snapshot.Store(st.snapshot(now))
	return nil
}

func (c *Control) firstRollout(ctx context.Context, t *tx) error {
	salt, err := c.salt(rollout.Sessions + "-control")
	if err != nil {
		return err
	}
	r, err := rollout.NewDraft(rollout.Sessions, salt, c.cfg.Stages, c.cfg.ControlSlice)
	if err != nil {
		return err
	}
	r.ChangedAt, r.ChangedBy, r.Version = t.now, Self, t.version
	if err := t.save(ctx, r); err != nil {
		return err
	}
	return t.log(ctx, changelog.Change{
		Author: Self, Reason: "first start", Action: "create", Subject: r.Name, Detail: "draft, control slice " + r.ControlSlice.String(),
	})
}

// Close stops the heartbeat and closes the database.
func (c *Control) Close() error {
	c.stop()
	<-c.beat
	c.notes.Wait()
	c.writing.Lock()
	defer c.writing.Unlock()
	if n := len(c.unsaved); n > 0 {
		c.deps.Log.Error("closing with kills that could not be saved: they end with this process", "kills", n)
	}
	return c.db.close()
}

// Unsaved are the kills that are in force but that the disk has refused so far.
func (c *Control) Unsaved() int { return int(c.owed.Load()) }

// Snapshot is the newest published state. It never blocks and is never nil.
func (c *Control) Snapshot() *rollout.Snapshot { return c.snapshot.Load() }

// Rollout is one rollout as it stands.
func (c *Control) Rollout(name string) (rollout.Rollout, error) {
	return findRollout(c.Snapshot().Rollouts(), name)
}

// Rollouts are all of them, by name.
func (c *Control) Rollouts() []rollout.Rollout { return c.Snapshot().Rollouts() }

// Changes is a page of the changelog, newest first.
func (c *Control) Changes(ctx context.Context, q changelog.Query) ([]changelog.Change, error) {
	return changelog.List(ctx, c.db.db, q)
}

// salt makes a salt that nobody can foresee, so that no visitor can choose a bucket.
func (c *Control) salt(name string) (string, error) {
	var random [8]byte
	if _, err := io.ReadFull(c.deps.Rand, random[:]); err != nil {
		return "", fmt.Errorf("no randomness for a salt: %w", err)
	}
	return name + "-" + hex.EncodeToString(random[:]), nil
}

func findRollout(all []rollout.Rollout, name string) (rollout.Rollout, error) {
	names := make([]string, 0, len(all))
	for _, r := range all {
		names = append(names, r.Name)
	}
	if i := slices.Index(names, name); i >= 0 {
		return all[i], nil
	}
	return rollout.Rollout{}, fault.New(fault.NotFound, "no such rollout %q", name).
		WithHint(`%slist them with "crossfade rollout list"`, didYouMean(name, names))
}
