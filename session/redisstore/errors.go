package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// said are the beginnings of what servers answer, and what to do about it. None of these answers holds a secret.
var said = []struct{ begins, means, hint string }{
	{"WRONGPASS", "the Redis server refuses the user name or password", "set session.store.redis.username and the password to those of a user of the server"},
	{"NOAUTH", "the Redis server wants a password", "set session.store.redis.password"},
	{"NOPERM", "the Redis user may not run a command that crossfade needs", "give it \"+@all -@dangerous +info +role +client +scan +wait\" on the keys and channels of session.store.redis.prefix: ACL SETUSER, see docs/stores-redis.md"},
	{"CLUSTERDOWN", "the Redis cluster is down: some slots have no primary", "look at \"redis-cli cluster info\" and start what is missing"},
	{"READONLY", "this Redis server is a replica and takes no writes", "name the primary, the Sentinels or the cluster in session.store"},
	{"MASTERDOWN", "this Redis replica has lost its primary", "look at the primary; with Sentinels a new one is chosen within seconds"},
	{"LOADING", "the Redis server is loading its data", "wait; crossfade goes on by itself when it is done"},
	{"OOM", "the Redis server is out of memory", "raise maxmemory, or give the sessions a server of their own; what is stored is intact and served"},
	{"MISCONF", "the Redis server refuses writes because it cannot save to disk", "free space on its disk and look into its log"},
	{"NOREPLICAS", "the Redis primary refuses writes because too few replicas follow it (min-replicas-to-write)", "bring the replicas back"},
	{"BUSY", "another script keeps the Redis server busy", "find it with \"redis-cli slowlog get\"; give the sessions a server of their own"},
	{"NOSCRIPT", "the Redis server has lost a script", "try again"},
	{"MOVED", "the address is of a cluster, which is not reached as one", "list several nodes of it in session.store.redis.addresses"},
	{"ERR unknown command", "the server lacks a command", "use Redis 7 or Valkey"},
	{"ERR No such master", "the Sentinels know no primary of that name", "set session.store.redis.sentinel.primary to what \"redis-cli -p 26379 sentinel masters\" shows"},
}

// trouble translates an error of a server or a connection once, so that none reaches a caller. Faults and the two
// answers of session.Store pass as they are.
func trouble(err error, doing string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrEnded) {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Unavailable, "the session store did not answer in time")
	case errors.Is(err, errCopies):
		return fault.Wrap(err, fault.Unavailable, "the write did not reach as many copies in time as session.store.redis.wait asks for; the primary has it").
			WithHint("look at the replicas, or repeat the call")
	case errors.Is(err, rueidis.ErrClosing):
		return fault.Wrap(err, fault.Unavailable, "the session store is closed")
	}
	text := err.Error()
	for _, s := range said {
		if strings.HasPrefix(text, s.begins) || strings.Contains(text, ": "+s.begins) || strings.Contains(text, "-"+s.begins) {
			return fault.Wrap(err, fault.Unavailable, "%s", s.means).WithHint("%s", s.hint)
		}
	}
	f := fault.Wrap(err, fault.Unavailable, "cannot %s the session store", doing)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return f.WithHint("is a Redis server running at %s, and is that address in session.store.redis.addresses?", op.Addr)
	}
	return f
}
