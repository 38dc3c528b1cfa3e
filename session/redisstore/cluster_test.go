package redisstore_test

import (
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session/sessiontest"
)

func TestCluster(t *testing.T) {
	c := testenv.StartRedisCluster(t)
	t.Run("store", func(t *testing.T) { sessiontest.Run(t, opener(c.Addresses()...)) })
	t.Run("manager", func(t *testing.T) { sessiontest.RunManager(t, opener(c.Addresses()...)) })
	t.Run("watch", func(t *testing.T) { sessiontest.RunWatcher(t, pair(c.Addresses()...)) })
}
