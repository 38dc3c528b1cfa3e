package redisstore_test

import (
	"strconv"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
	"crossfade.dev/crossfade/session/sessiontest"
)

// TestBound: packets between a process and Redis are lost without a word.
func TestBound(t *testing.T) {
	server := testenv.StartRedis(t).Address
	prefixes := map[testing.TB]string{}
	sessiontest.RunCut(t, server, func(t testing.TB, through string) session.Store {
		if through == "" {
			through = server
		}
		if prefixes[t] == "" {
			prefixes[t] = "b" + strconv.Itoa(len(prefixes))
		}
		return openAt(t, redisstore.Config{Addresses: []string{through}, Prefix: prefixes[t]})
	})
}
