// Package redisstore keeps sessions in Redis 7 or Valkey: one server, a primary with Sentinels, or a cluster.
//
// Invariant: what is in one hash slot changes by one script, all of it or nothing; what is in several is
// locked first, decided in one place, and finished by whoever comes by (DESIGN.md). So a session that ended
// is never live again and an answered write is there, as far as the servers keep what they acknowledged. The
// application opens it and hands it to session.New.
package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// Config says where the servers are.
type Config struct {
	// Addresses are host:port of the server, of some of the cluster's nodes, or of the Sentinels.
	Addresses []string
	Username  string
	Password  string
	TLS       *tls.Config // nil: plain TCP
	// Sentinel is what the Sentinels at Addresses call the primary; empty: they are no Sentinels.
	Sentinel         string
	SentinelUsername string
	SentinelPassword string
	// Prefix begins every key. Two deployments on one database need two. Default "cf".
	Prefix string
	// Wait says which writes wait for replicas, or for their disks.
	Wait Wait
	// Timeout bounds a write, also when its caller has given up: the answer may be that it happened. Default 3s.
	Timeout time.Duration
}

// Wait makes writes of a class answer only when so many replicas have them.
type Wait struct {
	Ends   Copies // ends of sessions
	Writes Copies // everything else
}

// Copies of a write that must exist besides the primary's memory.
type Copies struct {
	Replicas int
	// Disk asks for them on the disks of primary and replicas (WAITAOF), not in memory.
	Disk bool
	// Within is how long to wait for them; a write without them then fails with code unavailable, though the
	// primary has it. Default 1s.
	Within time.Duration
}

func (c Copies) wanted() bool { return c.Replicas > 0 || c.Disk }

// Store is a session.Store. It is safe for concurrent use.
type Store struct {
	cfg    Config
	keys   keys
	client rueidis.Client
	clock  func() time.Time
	rand   io.Reader
	log    *slog.Logger

	// lineages of records that are not in the lineage of their own id. A record never changes lineage.
	lineages *otter.Cache[session.ID, session.Lineage]
	// floors are the highest mark and end that were seen: a primary that lost some does not draw them again.
	markFloor, endFloor atomic.Int64

	sweeping sync.Mutex
	overdue  map[commitID]bool // decided commits that the last sweep saw unfinished
	failing  atomic.Bool
	work     sync.WaitGroup
	close    sync.Once
}

var _ session.Store = (*Store)(nil)
var _ session.Watcher = (*Store)(nil)
var _ session.Judge = (*Store)(nil)

// Open connects, and refuses servers that would lose sessions by their settings. clock tells how long things
// still live; random makes the names of commits: time.Now and crypto/rand.Reader in production.
func Open(ctx context.Context, cfg Config, clock func() time.Time, log *slog.Logger) (*Store, error) {
	if len(cfg.Addresses) == 0 {
		return nil, fault.New(fault.Invalid, "the session store has no address of a Redis server").
			WithHint("set session.store.redis.addresses in the configuration")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "cf"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 3 * time.Second
	}
	client, err := rueidis.NewClient(options(cfg))
	if err != nil {
		return nil, trouble(err, "reach")
	}
	s := &Store{
		cfg: cfg, client: client, clock: clock, rand: rand.Reader, log: log,
		lineages: otter.Must(&otter.Options[session.ID, session.Lineage]{MaximumSize: 1 << 18}),
		overdue:  map[commitID]bool{},
	}
	s.keys = newKeys(cfg.Prefix, client.Mode() == rueidis.ClientModeCluster)
	if err := s.check(ctx); err != nil {
		client.Close()
		return nil, err
	}
	if err := s.lift(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

func options(cfg Config) rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: cfg.Addresses, Username: cfg.Username, Password: cfg.Password, TLSConfig: cfg.TLS,
		ClientName: "crossfade",
		Sentinel: rueidis.SentinelOption{
			MasterSet: cfg.Sentinel, Username: cfg.SentinelUsername, Password: cfg.SentinelPassword, TLSConfig: cfg.TLS,
			TopologyRefreshInterval: sentinelRefresh(cfg),
		},
		Dialer:           net.Dialer{Timeout: 2 * time.Second, KeepAlive: time.Second},
		ConnWriteTimeout: 5 * time.Second,
		// Caching is the manager's, who knows what a cached answer may be used for.
		DisableCache: true,
		ClusterOption: rueidis.ClusterOption{
			ShardsRefreshInterval: 5 * time.Second, MaxMovedRedirections: 8,
		},
		BlockingPipeline: 1 << 20, // a long pipeline is no reason for a connection of its own
	}
}

// sentinelRefresh: an announcement of a new primary may get lost.
func sentinelRefresh(cfg Config) time.Duration {
	if cfg.Sentinel == "" {
		return 0
	}
	return time.Second
}

// Close ends what runs in the background and closes the connections. Closing twice is closing once.
func (s *Store) Close() error {
	s.close.Do(func() {
		s.work.Wait()
		s.client.Close()
	})
	return nil
}

// now is the application's time. Lives are told to the servers as durations, so that their clocks need not agree.
func (s *Store) now() time.Time { return s.clock() }

// slack is how much longer a row lives than it is needed: activity is written late, and clocks differ.
const slack = time.Hour

// life is how long a row is kept that is needed until then, in milliseconds.
func (s *Store) life(until time.Time) int64 {
	return max(until.Sub(s.now()), 0).Milliseconds() + slack.Milliseconds()
}

// commitID names a commit, so that what was sent twice is carried out once.
type commitID [16]byte

func (s *Store) newCommit() (c commitID) {
	if _, err := io.ReadFull(s.rand, c[:]); err != nil {
		panic("redisstore: no randomness: " + err.Error())
	}
	return c
}

func raise(floor *atomic.Int64, to int64) {
	for {
		old := floor.Load()
		if to <= old || floor.CompareAndSwap(old, to) {
			return
		}
	}
}
