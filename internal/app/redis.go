package app

import (
	"context"
	"log/slog"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/session/redisstore"
)

// openRedis opens sessions in Redis. Its clock only measures how long things still live.
func openRedis(ctx context.Context, c config.Redis, at config.StoreAddresses, log *slog.Logger) (sessionStore, error) {
	tls, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	copies := func(c config.RedisCopies) redisstore.Copies {
		return redisstore.Copies{Replicas: c.Replicas, Disk: c.Disk, Within: c.Within.D()}
	}
	return opened(redisstore.Open(ctx, redisstore.Config{
		Addresses: c.Addresses, Username: c.Username, Password: at.Redis, TLS: tls, Prefix: c.Prefix,
		Sentinel: c.Sentinel.Primary, SentinelUsername: c.Sentinel.Username, SentinelPassword: at.SentinelPassword,
		Wait: redisstore.Wait{Ends: copies(c.Wait.Ends), Writes: copies(c.Wait.Writes)},
	}, time.Now, log))
}
