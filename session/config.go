package session

import (
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// MaxLife bounds every deadline: browsers keep no cookie longer, so nothing older can come back.
const MaxLife = 400 * 24 * time.Hour

// KeyAlphabet and KeyLength are what every supported legacy engine accepts as a session key. They are
// those of package legacy, which imports this one.
const (
	KeyAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	KeyLength   = 32
)

// Config is what an operator may choose. The zero value of each field means its default.
type Config struct {
	// Idle is how long a session lives unused, unless the application asked otherwise. Default 14 days,
	// Django's own.
	Idle time.Duration
	// Absolute is how long a session lives at most, counted from its creation or its last login. Default
	// 30 days. A session that came from legacy keeps the life that it had there.
	Absolute time.Duration
	// Grace is how long what was replaced goes on working after its successor was first used, and how long
	// a winner's token is kept for the losers of a race. Default 30 s: longer than the slowest request of
	// a page, shorter than somebody's patience with a stolen cookie.
	Grace time.Duration
	// GuestLife is how long a guest token lives that nothing was stored for. Default: Absolute.
	GuestLife time.Duration
	// CacheSize is the number of sessions kept in memory, about 1 KB each. Default 100000.
	CacheSize int
	// CacheFor is how long a cached answer is trusted. 0: until something changes it, which is right where
	// this process is the only writer of its store.
	CacheFor time.Duration
	// StaleFor is how much longer a cached answer may serve, marked as stale, while the store does not
	// answer. Default 0: not at all.
	StaleFor time.Duration
	// Limits bound the attributes of one session.
	Limits Limits
	// PerSubject is how many sessions a subject may have in use here. Beyond says what happens to a login beyond it.
	// What comes from legacy is let in, and counts at the next login. Default 0: any number.
	PerSubject int
	Beyond     Beyond
	// GuestRate and LoginRate bound guests' first writes and logins per minute and network, where the network is
	// known; two minutes' worth may come at once. In each process; default 0: no bound.
	GuestRate, LoginRate int
}

// Limits bound the attributes of one session. Zero fields mean the defaults.
type Limits struct {
	Keys     int // number of keys; default 128
	KeyBytes int // bytes of one key; default 128
	Bytes    int // bytes of all keys and values; default 64 KiB
}

func (c Config) withDefaults() (Config, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Idle, 14*24*time.Hour)
	def(&c.Absolute, 30*24*time.Hour)
	def(&c.Grace, 30*time.Second)
	def(&c.GuestLife, c.Absolute)
	for _, n := range []struct {
		v *int
		d int
	}{{&c.CacheSize, 100_000}, {&c.Limits.Keys, 128}, {&c.Limits.KeyBytes, 128}, {&c.Limits.Bytes, 64 << 10}} {
		if *n.v == 0 {
			*n.v = n.d
		}
		if *n.v < 0 {
			return c, fault.New(fault.Invalid, "session limits must not be negative")
		}
	}
	for _, d := range []time.Duration{c.Idle, c.Absolute, c.Grace, c.GuestLife} {
		if d < time.Second || d > MaxLife {
			return c, fault.New(fault.Invalid, "session life %v is out of range", d).
				WithHint("choose between 1s and %v", MaxLife)
		}
	}
	if c.PerSubject < 0 || c.GuestRate < 0 || c.LoginRate < 0 {
		return c, fault.New(fault.Invalid, "session limits must not be negative")
	}
	if c.CacheFor < 0 || c.StaleFor < 0 {
		return c, fault.New(fault.Invalid, "session cache times must not be negative")
	}
	if c.Idle > c.Absolute {
		return c, fault.New(fault.Invalid, "session idle life %v is longer than the absolute life %v", c.Idle, c.Absolute).
			WithHint("lower idle or raise absolute")
	}
	return c, nil
}

// touchEvery is how fresh LastSeen is kept: a write per session and minute at most, and less often for
// long lives; but always several times within the idle life.
func touchEvery(idle time.Duration) time.Duration {
	return min(max(time.Minute, idle/10), idle/2)
}
