package app

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net/http"
	"sync"
	"sync/atomic"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/legacy/httpbridge"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/registry"
)

// generation is what one configuration stands for: everything that a reload replaces. It is used by
// the requests that began with it, and closed when the last of them is done.
type generation struct {
	cfg      *config.Config
	bridge   *httpbridge.Bridge
	public   http.Handler
	written  func(*session.Session) // the edge refreshes the session's counterpart
	internal http.Handler
	admin    [sha256.Size]byte // hash of the admin token
	tls      *tls.Certificate  // nil: plain
	registry *registry.Registry
	closing  []func()
	closed   sync.Once

	mu      sync.Mutex
	users   int
	retired bool
}

// release ends one use. The last use of a retired generation closes it.
func (g *generation) release() {
	g.mu.Lock()
	g.users--
	last := g.retired && g.users == 0
	g.mu.Unlock()
	if last {
		g.close()
	}
}

// retire closes the generation as soon as nobody uses it.
func (g *generation) retire() {
	g.mu.Lock()
	last := !g.retired && g.users == 0
	g.retired = true
	g.mu.Unlock()
	if last {
		g.close()
	}
}

// close ends what the generation does in the background, last first; closing twice is closing once.
func (g *generation) close() {
	g.closed.Do(func() {
		for i := len(g.closing) - 1; i >= 0; i-- {
			g.closing[i]()
		}
	})
}

// use counts one more user, unless the generation may be closed already.
func (g *generation) use() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired {
		return false
	}
	g.users++
	return true
}

func (g *generation) authorized(secret string) bool {
	hash := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(hash[:], g.admin[:]) == 1
}

// generations holds the one that serves now.
type generations struct{ now atomic.Pointer[generation] }

// acquire gives the generation of now; the caller releases it.
func (gs *generations) acquire() *generation {
	for {
		if g := gs.now.Load(); g.use() {
			return g
		} // else it was replaced between the two lines: there is a newer one
	}
}

// swap puts a generation in the place of the present one. The requests that are under way finish with
// the one that they began with.
func (gs *generations) swap(next *generation) {
	if old := gs.now.Swap(next); old != nil {
		old.retire()
	}
}

// public serves each request with the generation of the moment that it came in.
func (gs *generations) public(w http.ResponseWriter, r *http.Request) {
	g := gs.acquire()
	defer g.release()
	g.public.ServeHTTP(w, r)
}

// wrote tells the edge of now that a session was written. It does not count as a user: the last one closes
// a retired generation, and the writer must not wait for that.
func (gs *generations) wrote(s *session.Session) { gs.now.Load().written(s) }

func (gs *generations) internal(w http.ResponseWriter, r *http.Request) {
	g := gs.acquire()
	defer g.release()
	g.internal.ServeHTTP(w, r)
}
