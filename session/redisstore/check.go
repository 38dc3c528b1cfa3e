package redisstore

import (
	"context"
	"strconv"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// check looks at every server and refuses those that would lose sessions by their settings.
func (s *Store) check(ctx context.Context) error {
	for address, c := range s.client.Nodes() {
		text, err := c.Do(ctx, c.B().Info().Build()).ToString()
		if err != nil {
			if s.keys.cluster {
				s.log.Warn("a server of the session store could not be checked", "server", address, "error", trouble(err, "ask"))
				continue
			}
			return trouble(err, "ask")
		}
		if err := s.judgeServer(address, parseInfo(text)); err != nil {
			return err
		}
	}
	return nil
}

// judgeServer holds a server's own account of itself against what sessions need.
func (s *Store) judgeServer(address string, facts map[string]string) error {
	if major, _, _ := strings.Cut(facts["redis_version"], "."); major != "" {
		if n, err := strconv.Atoi(major); err == nil && n < 7 {
			return fault.New(fault.Precondition, "the session store at %s is Redis %s", address, facts["redis_version"]).
				WithHint("use Redis 7 or later, or Valkey")
		}
	}
	if policy := facts["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		return fault.New(fault.Precondition, "the session store at %s would drop sessions, and what remembers that they ended, when memory is short: its maxmemory-policy is %s", address, policy).
			WithHint("write \"maxmemory-policy noeviction\" into its redis.conf, and for now: redis-cli -u redis://%s CONFIG SET maxmemory-policy noeviction", address)
	}
	if facts["role"] == "slave" && !s.keys.cluster {
		return fault.New(fault.Precondition, "the session store at %s is a replica and takes no writes", address).
			WithHint("name the primary in session.store.redis.addresses, or the Sentinels with session.store.redis.sentinel")
	}
	if facts["aof_enabled"] == "0" {
		s.log.Warn("the session store keeps no append-only file: a restart of the server loses the writes since its last snapshot, and ended sessions may be live again",
			"server", address, "hint", `write "appendonly yes" and "appendfsync everysec" (or "always") into its redis.conf`)
	}
	return nil
}

// parseInfo reads what INFO answers: lines of name:value.
func parseInfo(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(line, "#") {
			out[name] = value
		}
	}
	return out
}

// Writable says why the servers refuse writes, or nil. It costs nothing as long as writes succeed; after one
// has failed each call tries another.
func (s *Store) Writable(ctx context.Context) error {
	if !s.failing.Load() {
		return nil
	}
	if err := s.client.Do(ctx, s.client.B().Set().Key(s.keys.probe).Value("1").PxMilliseconds(1000).Build()).Error(); err != nil {
		return trouble(err, "write to")
	}
	s.failing.Store(false)
	return nil
}
