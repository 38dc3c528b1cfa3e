package redisstore_test

import (
	"strconv"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
	"crossfade.dev/crossfade/session/sessiontest"
)

// pair gives two stores on one prefix, as two processes have them.
func pair(addresses ...string) func(testing.TB) (here, there session.Store) {
	return func(t testing.TB) (here, there session.Store) {
		cfg := redisstore.Config{Addresses: addresses, Prefix: "w" + strconv.FormatInt(prefixes.Add(1), 10)}
		return openAt(t, cfg), openAt(t, cfg)
	}
}

func TestWatch(t *testing.T) { sessiontest.RunWatcher(t, pair(testenv.StartRedis(t).Address)) }
