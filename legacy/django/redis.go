package django

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/inventory"
)

// RedisConfig says where the cache is that holds the sessions.
type RedisConfig struct {
	Address string        // redis://user:password@host:port/db, or rediss://
	Prefix  string        // KEY_PREFIX of the cache
	Version string        // VERSION of the cache; empty: 1
	Engine  string        // cache or cached_db; empty: cache
	Age     time.Duration // SESSION_COOKIE_AGE
	Timeout time.Duration // of one answer
}

// Redis is the store of the engine cache, and the cache of cached_db, on Django's own RedisCache or django-redis.
type Redis struct {
	cfg    RedisConfig
	client rueidis.Client
	prefix string // of the keys
	name   string
}

// OpenRedis connects.
func OpenRedis(cfg RedisConfig) (*Redis, error) {
	if cfg.Address == "" {
		return nil, fault.New(fault.Invalid, "no address of the Redis").WithHint("give --redis redis://host:6379/1, or set CROSSFADE_LEGACY_REDIS")
	}
	option, err := rueidis.ParseURL(cfg.Address)
	if err != nil { // its text may quote the password
		return nil, fault.New(fault.Invalid, "the address of the Redis cannot be read").WithHint("write it like redis://host:6379/1, as LOCATION in CACHES has it")
	}
	if cfg.Version == "" {
		cfg.Version = "1"
	}
	if cfg.Engine == "" {
		cfg.Engine = "cache"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	option.DisableCache, option.AlwaysRESP2, option.ClientName = true, true, "crossfade-inventory"
	option.ClientSetInfo = rueidis.DisableClientSetInfo
	option.Dialer.Timeout, option.ConnWriteTimeout = cfg.Timeout, cfg.Timeout
	r := &Redis{cfg: cfg, prefix: cfg.Prefix + ":" + cfg.Version + ":django.contrib.sessions." + cfg.Engine,
		name: "Redis " + strings.Join(option.InitAddress, ", ")}
	if r.client, err = rueidis.NewClient(option); err != nil {
		return nil, r.explain(err)
	}
	return r, nil
}

// Close gives the connections back.
func (r *Redis) Close() { r.client.Close() }

// Sample implements [inventory.Source]. A small database is looked through whole by SCAN; from a large one keys are
// drawn with RANDOMKEY, which goes over no other key.
func (r *Redis) Sample(ctx context.Context, plan *inventory.Plan) (inventory.Store, error) {
	store := inventory.Store{Kind: "cache", Name: r.name + `, keys that begin with "` + r.prefix + `"`, Rows: -1, Live: -1}
	var total int64
	for _, node := range r.client.Nodes() {
		n, err := r.do(ctx, node, node.B().Dbsize().Build()).AsInt64()
		if err != nil {
			return store, r.explain(err)
		}
		total += n
	}
	var err error
	if total <= int64(20*plan.Limit+10_000) {
		err = r.whole(ctx, plan, &store)
		store.Whole = err == nil && store.Rows <= int64(plan.Limit)
	} else {
		err = r.draw(ctx, plan, &store, total)
	}
	if plan.Nothing() && err == nil {
		store.Notes = append(store.Notes, "no such key was found: KEY_PREFIX and VERSION of the cache (--key-prefix, --key-version), the number of the database at the end of the address, and SESSION_CACHE_ALIAS decide which there are")
	}
	return store, err
}

// whole finds every session key and reads some at random.
func (r *Redis) whole(ctx context.Context, plan *inventory.Plan, store *inventory.Store) error {
	var keys []string
	for _, node := range r.client.Nodes() {
		for cursor := uint64(0); ; {
			found, err := r.do(ctx, node, node.B().Scan().Cursor(cursor).Match(literally(r.prefix)+"*").Count(500).Build()).AsScanEntry()
			if err != nil {
				return r.explain(err)
			}
			keys = append(keys, slices.DeleteFunc(found.Elements, func(key string) bool { return !r.isSession(key) })...)
			if cursor = found.Cursor; cursor == 0 {
				break
			}
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys) // SCAN may name a key twice, and replicas name it again
	store.Rows, store.Live, store.Exact = int64(len(keys)), int64(len(keys)), true
	plan.Rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for len(keys) > 0 && !plan.Done() {
		n := min(batch, len(keys))
		if err := r.fetch(ctx, plan, keys[:n]); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// draw takes random keys until enough of them were sessions, or it is clear that too few are.
func (r *Redis) draw(ctx context.Context, plan *inventory.Plan, store *inventory.Store, total int64) error {
	drawn, ours := 0, 0
	for !plan.Done() && drawn < 100*plan.Limit {
		var keys []string
		for _, node := range r.client.Nodes() {
			commands := make(rueidis.Commands, batch)
			for i := range commands {
				commands[i] = node.B().Randomkey().Build()
			}
			for _, answer := range r.doMulti(ctx, node, commands) {
				key, err := answer.ToString()
				if err != nil && !rueidis.IsRedisNil(err) {
					return r.explain(err)
				}
				drawn++
				if r.isSession(key) {
					ours++
					if !plan.Seen(key) {
						keys = append(keys, key)
					}
				}
			}
		}
		if err := r.fetch(ctx, plan, keys); err != nil {
			return err
		}
	}
	if drawn > 0 {
		store.Rows = total * int64(ours) / int64(drawn)
		store.Live = store.Rows
	}
	return nil
}

// isSession tells keys of the engine cache from those of cached_db, which begin alike.
func (r *Redis) isSession(key string) bool {
	rest, ok := strings.CutPrefix(key, r.prefix)
	return ok && rest != "" && strings.Trim(rest, inventory.Letters) == ""
}

// fetch reads how long sessions live and how large they are, and then those that are not too large.
func (r *Redis) fetch(ctx context.Context, plan *inventory.Plan, keys []string) error {
	var about rueidis.Commands
	for _, key := range keys {
		about = append(about, r.client.B().Pttl().Key(key).Build(), r.client.B().Strlen().Key(key).Build())
	}
	var values rueidis.Commands
	type one struct {
		key  string
		left int64
		size int64
		at   int // of its value among values; -1: too large
	}
	var found []one
	answers := r.doMulti(ctx, r.client, about)
	for i, key := range keys {
		left, err := answers[2*i].AsInt64()
		if err != nil {
			return r.explain(err)
		}
		size, err := answers[2*i+1].AsInt64()
		if err != nil && !isKind(err) {
			return r.explain(err)
		}
		if left == -2 || err != nil { // gone, or no string and so no session
			continue
		}
		o := one{key, left, size, -1}
		if size <= MaxPayload {
			o.at = len(values)
			values = append(values, r.client.B().Get().Key(key).Build())
		}
		found = append(found, o)
	}
	texts := r.doMulti(ctx, r.client, values)
	for _, o := range found {
		s := unreadable(inventory.Session{ID: id(o.key)}, ErrTooLarge)
		if o.at >= 0 {
			value, err := texts[o.at].AsBytes()
			if rueidis.IsRedisNil(err) {
				continue
			}
			if err != nil {
				return r.explain(err)
			}
			s = r.session(o.key, value, o.left, plan.Now)
		}
		s.Size = int(o.size)
		if o.left >= 0 {
			s.Expires = plan.Now.Add(time.Duration(o.left) * time.Millisecond)
		}
		plan.Give(s)
	}
	return plan.Pause(ctx, max(1, len(keys)))
}

// session describes a value. The cache does not say when it was saved: that is told by how long it was to live.
func (r *Redis) session(key string, value []byte, left int64, now time.Time) inventory.Session {
	s, v := fromCache(key, value)
	if left >= 0 && s.Format != inventory.Unreadable && v.Get("_session_expiry") == nil {
		s.Saved = now.Add(time.Duration(left)*time.Millisecond - r.cfg.Age)
	}
	return s
}

func (r *Redis) do(ctx context.Context, to rueidis.Client, command rueidis.Completed) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	return to.Do(ctx, command)
}

func (r *Redis) doMulti(ctx context.Context, to rueidis.Client, commands rueidis.Commands) []rueidis.RedisResult {
	if len(commands) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	return to.DoMulti(ctx, commands...)
}

// isKind is Redis's complaint about a key of another type.
func isKind(err error) bool {
	e, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(e.Error(), "WRONGTYPE")
}

func (r *Redis) explain(err error) error {
	if e, ok := rueidis.IsRedisErr(err); ok {
		if text := e.Error(); strings.HasPrefix(text, "NOAUTH") || strings.HasPrefix(text, "WRONGPASS") || strings.HasPrefix(text, "NOPERM") {
			return fault.Wrap(err, fault.Denied, "%s refuses: %s", r.name, text).
				WithHint("the address takes user and password (redis://user:password@host), in CROSSFADE_LEGACY_REDIS; needed are DBSIZE, SCAN, RANDOMKEY, PTTL, STRLEN and GET")
		}
		return fault.Wrap(err, fault.Unavailable, "%s answers: %s", r.name, e.Error())
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "no answer from %s", r.name).WithHint("check the address, and that the Redis can be reached from here: redis-cli -u ADDRESS ping")
}

// literally is a text as a pattern that matches only itself.
func literally(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
