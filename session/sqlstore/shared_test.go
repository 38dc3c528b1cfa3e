package sqlstore_test

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessiontest"
)

// TestShared: the embedded store stands in for one that several processes share.
func TestShared(t *testing.T) {
	t.Run("the stand-in keeps the contracts", func(t *testing.T) {
		node := func(s *sessiontest.Shared) session.Store { return s.Node(time.Now).Pulse(5 * time.Millisecond) }
		sessiontest.Run(t, func(t testing.TB) session.Store { return node(sessiontest.Share(open(t))) })
		sessiontest.RunWatcher(t, func(t testing.TB) (here, there session.Store) {
			s := sessiontest.Share(open(t))
			return node(s), node(s)
		})
	})
	sessiontest.RunShared(t, open)
}
