// Package edge is the reverse proxy in front of both systems: the one entry point that decides for every
// request which system serves it and as whom, and that leaves the browser with at most one session.
//
// Invariant: nothing that a browser sends is believed unless it was signed or sealed here, and every
// response leaves the cookies that edge/handover decided on. The composition root builds an edge from a
// configuration and serves it on the public listener; a reload builds another and swaps it.
//
// DESIGN.md beside this file leads through the steps.
package edge

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"crossfade.dev/crossfade/internal/fault"
)

// Edge is an http.Handler. It is safe for concurrent use; [Edge.Close] ends what it does in the background.
type Edge struct {
	cfg       Config
	deps      Deps
	obs       Observer
	origin    string // the site's own, as browsers write it
	hosts     *hosts
	strict    bool // our cookies do not come with visits from other sites
	cookies   *cookieWriter
	visitors  *kept[seen]
	tickets   *kept[ticket]
	tools     *kept[toolsSession]
	routes    []*route
	handshake *route // what holds for the handshake endpoint
	upstreams map[string]*upstream
	standings standings
	flights   singleflight.Group
	breaker   breaker
	restores  *budget
	clients   *clients
	upkeep    *upkeep
	refresher *refresher
	streams   *streams
	buffers   buffers
	errorLog  *log.Logger

	toolsPaused atomic.Int64 // Unix nanoseconds, until which nobody asks whose a tools session is

	troubled  seldom // says that the bridge does not answer
	unclaimed seldom // says that a restore could not be claimed
	strangers seldom // says what became of a form of another site
	misled    seldom // says that a request was for another host
	oversized seldom // says that a body was too large
	overdrawn seldom // says that a client has spent its budget

	idSeed  uint64
	idCount atomic.Uint64
}

// New checks the configuration and builds an edge that serves it. It starts no goroutine; the edge starts
// those that it needs when it needs them, and [Edge.Close] stops them.
func New(cfg Config, deps Deps) (*Edge, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if deps.Sessions == nil || deps.Bridge == nil || deps.Mapping == nil || deps.Snapshot == nil || deps.Contexts == nil || deps.Ring == nil {
		return nil, fault.New(fault.Internal, "the edge was not given all that it works with")
	}
	deps = deps.withDefaults()
	hosts, err := newHosts(cfg.Public, cfg.Hosts)
	if err != nil {
		return nil, err
	}
	e := &Edge{
		cfg: cfg, deps: deps, obs: deps.Observer,
		origin:    strings.ToLower(cfg.Public.Scheme + "://" + cfg.Public.Host),
		strict:    cfg.Cookies.SameSite == http.SameSiteStrictMode,
		hosts:     hosts,
		cookies:   newCookieWriter(cfg),
		visitors:  newKept(deps.Ring, seeVisitor),
		tickets:   newKept(deps.Ring, shared(openTicket)),
		tools:     newKept(deps.Ring, shared(openTools)),
		upstreams: map[string]*upstream{},
		standings: standings{name: cfg.Rollout, current: deps.Snapshot},
		restores:  newBudget(cfg.Handover.RestoreBudget, 1),
		clients:   newClients(cfg.Handover.ClientBudget),
		errorLog:  slog.NewLogLogger(deps.Log.Handler(), slog.LevelWarn),
	}
	for _, u := range cfg.Upstreams {
		e.upstreams[u.Name] = newUpstream(u, u.Name == cfg.Legacy.Upstream, deps.Transport)
	}
	for _, r := range cfg.Routes {
		if r.MaxBody == 0 {
			r.MaxBody = cfg.MaxBody
		}
		e.routes = append(e.routes, newRoute(r, cfg.Access, e.upstreams))
	}
	e.handshake = newRoute(Route{Path: handshakePath, Legacy: cfg.Legacy.Upstream, New: cfg.Legacy.Upstream}, cfg.Access, e.upstreams)
	e.upkeep = newUpkeep(e)
	e.refresher = newRefresher(e)
	e.streams = newStreams(e)
	var seed [8]byte
	if _, err := io.ReadFull(deps.Rand, seed[:]); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "no randomness")
	}
	e.idSeed = binary.BigEndian.Uint64(seed[:])
	return e, nil
}

func (d Deps) withDefaults() Deps {
	if d.Observer == nil {
		d.Observer = nobody{}
	}
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Rand == nil {
		d.Rand = rand.Reader
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return d
}

// Close closes the streams, waits for what runs in the background, and drops idle connections. Requests
// under way go on: the server that serves them is shut down first.
func (e *Edge) Close() {
	e.streams.close()
	e.upkeep.close()
	e.refresher.close()
	for _, u := range e.upstreams {
		u.close()
	}
}

// Version is the snapshot version that new requests are planned under.
func (e *Edge) Version() uint64 { return e.standings.now().version }

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// requestID is short enough to be read out to support. It need not be unguessable, only not repeat.
func (e *Edge) requestID() string {
	x := e.idSeed + e.idCount.Add(1)*0x9e3779b97f4a7c15 // splitmix64: spreads a counter over all bits
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], x^x>>31)
	var text [13]byte
	idEncoding.Encode(text[:], raw[:])
	return string(text[:])
}

func (e *Edge) random16() (out [16]byte) {
	if _, err := io.ReadFull(e.deps.Rand, out[:]); err != nil {
		panic("edge: no randomness: " + err.Error()) // nothing safe can follow
	}
	return out
}
