package config

// Session is how long sessions live and how much they may hold.
type Session struct {
	// Where sessions are kept.
	Store Store `yaml:"store"`
	// Sets idle and absolute to what a guideline asks for, where they are not set themselves: nist-aal1 (absolute 30d, idle
	// as by default: SP 800-63B-4 asks for no idle limit), nist-aal2 (24h, idle 1h), nist-aal3 (12h, idle 15m: whoever may
	// do much must prove soon that it is still them), owasp (8h, a working day; idle 30m, the cheat sheet's bound for low
	// risk; for high value set idle to 2m to 5m). A field that is set overrides the preset; "crossfade config check" warns
	// where it is longer than that. Sessions from legacy keep their deadlines. Default: none.
	Preset string `yaml:"preset"`
	// How long a session lives without being used. A session that came from legacy keeps the idle life that
	// legacy gave it. Default 14d, as Django's.
	Idle Duration `yaml:"idle"`
	// How long a session lives at most, used or not. A session that came from legacy keeps its deadline.
	// Default 30d.
	Absolute Duration `yaml:"absolute"`
	// How long a guest token without anything stored lives. Default 30d.
	GuestLife Duration `yaml:"guest_life"`
	// How long a replaced secret still works, counted from the first use of its successor: parallel requests
	// and other tabs still carry the old one. After a login the old one never yields the new one, whatever
	// stands here. Default 30s.
	Grace Duration `yaml:"grace"`
	// How long a request waits for the session store before it counts as down and on_store_down applies.
	// Default 500ms.
	Deadline Duration `yaml:"deadline"`
	// The same under the kill switch, where there is a way to serve everybody without the store, so that a store
	// that hangs costs nearly nothing. Writes that bring a session back are given the whole deadline. At most
	// deadline. Default 50ms.
	KillDeadline Duration `yaml:"kill_deadline"`
	// How much one session may hold.
	Limits Limits `yaml:"limits"`
	// How many sessions a user may have at a time.
	PerSubject PerSubject `yaml:"per_subject"`
	// How often sessions may begin from one network.
	Rate Rate `yaml:"rate"`
	// What is remembered of recently used sessions.
	Cache Cache `yaml:"cache"`
	// Whether attributes, subjects, visitor ids and devices are encrypted in the store, with the keys of this file: off,
	// read (sealed and plain are both read, plain is written), on (sealed is written, what is plain is sealed in the
	// background) or undo (plain is written, what is sealed is opened in the background). Where several processes share a
	// store, all of them are at read before the first one is on, and before the first one is off again. A key that
	// sealed stays in keys until 400 days after. Default off.
	Seal string `yaml:"seal"`
	// What sessions hold: each attribute with its owner and rules. It also says what crosses to and from
	// legacy, so that nothing of it has to be in legacy.mapping.file. May change while the process runs. Default: none.
	Attributes []Attribute `yaml:"attributes"`
	// What happens to a write of an attribute that is not in the list: allow, count (it is written, and counted
	// as crossfade_session_attributes_total with owner "unregistered") or refuse. With refuse it does not cross from
	// legacy either: it is left behind, counted as undeclared. Begin with count. Default allow.
	Unregistered string `yaml:"unregistered"`
}

// Limits bound one session. A write over a limit is refused as a whole.
type Limits struct {
	// How many keys. Default 128.
	Keys int `yaml:"keys"`
	// How many bytes one key's name may have. Default 128.
	KeyBytes int `yaml:"key_bytes"`
	// How many bytes all names and values may have together. Default 65536.
	TotalBytes int `yaml:"total_bytes"`
}

// PerSubject bounds the sessions of one user. It is kept at each login: what comes from legacy is let in, and what is on legacy
// does not count.
type PerSubject struct {
	// How many sessions. Default 0: any number.
	Limit int `yaml:"limit"`
	// What happens at a login beyond the limit: end-oldest (the session whose login is longest ago ends, in both
	// systems), end-idlest (the one that was longest not used) or deny (the login is refused with resource_exhausted).
	// Where two servers log somebody in at the same moment, the limit is kept as soon as both have answered; with
	// deny it can happen that both are refused, and one more try lets one in. Default end-oldest.
	Beyond string `yaml:"beyond"`
}

// Rate bounds how often sessions begin, per minute and network (/24, /56) in each process. Two minutes' worth may come at
// once. What goes over it is answered resource_exhausted, and when to try again. It needs public.trusted_proxies where load
// balancers stand in front: all visitors would come from one network.
type Rate struct {
	// First writes of guests: what makes a stored session of a guest token. Default 0: no bound.
	Guests int `yaml:"guests"`
	// Logins. Default 0: no bound.
	Logins int `yaml:"logins"`
}

// Cache is what each process remembers of sessions.
type Cache struct {
	// How many sessions. One takes about 1 KB. Default 100000.
	Entries int `yaml:"entries"`
	// How long a session that one process has ended may still be served by another: the published bound. What a process
	// remembers is believed only while a shared store has told it within this time what the others did; otherwise
	// each session is asked for again after this time. Default 0s: 1s where several processes share the store,
	// and with the embedded store until something changes it, since this process is its only writer.
	Bound Duration `yaml:"bound"`
	// How much longer an answer may be used while the store is down, on routes whose on_store_down says
	// stale. Default 1m; 0s: never.
	Stale Duration `yaml:"stale"`
}

func (s *Session) defaults() {
	s.Idle, s.Absolute, s.GuestLife = 14*Day, 30*Day, 30*Day
	s.Grace, s.Deadline = seconds(30), seconds(1)/2
	s.KillDeadline = seconds(1) / 20
	s.Limits = Limits{Keys: 128, KeyBytes: 128, TotalBytes: 64 << 10}
	s.Cache = Cache{Entries: 100_000, Stale: seconds(60)}
	s.PerSubject.Beyond = "end-oldest"
	s.Seal, s.Unregistered = "off", "allow"
}

func (s *Session) validate(k *check) {
	s.Store.validate(k)
	s.applyPreset(k)
	k.within("session.idle", s.Idle, seconds(60), 400*Day)
	k.within("session.absolute", s.Absolute, seconds(60), 400*Day)
	k.within("session.guest_life", s.GuestLife, seconds(60), 400*Day)
	if s.Idle > s.Absolute {
		k.fail("session.idle", "make absolute at least as long as idle", "%s is longer than absolute, %s", s.Idle, s.Absolute)
	}
	k.within("session.grace", s.Grace, seconds(1), seconds(600))
	k.within("session.deadline", s.Deadline, seconds(1)/100, seconds(30))
	k.within("session.kill_deadline", s.KillDeadline, seconds(1)/1000, seconds(30))
	if s.KillDeadline > s.Deadline {
		k.fail("session.kill_deadline", "make it shorter than deadline, or the same", "%s is longer than deadline, %s", s.KillDeadline, s.Deadline)
	}
	k.between("session.limits.keys", s.Limits.Keys, 1, 4096)
	k.between("session.limits.key_bytes", s.Limits.KeyBytes, 16, 1024)
	k.between("session.limits.total_bytes", s.Limits.TotalBytes, 1<<10, 1<<20)
	k.between("session.per_subject.limit", s.PerSubject.Limit, 0, 10_000)
	k.oneOf("session.per_subject.beyond", s.PerSubject.Beyond, "end-oldest", "end-idlest", "deny")
	k.between("session.rate.guests", s.Rate.Guests, 0, 10_000_000)
	k.between("session.rate.logins", s.Rate.Logins, 0, 10_000_000)
	k.between("session.cache.entries", s.Cache.Entries, 1, 100_000_000)
	k.within("session.cache.bound", s.Cache.Bound, 0, seconds(60))
	k.within("session.cache.stale", s.Cache.Stale, 0, seconds(3600))
	k.oneOf("session.seal", s.Seal, "off", "read", "on", "undo")
	k.oneOf("session.unregistered", s.Unregistered, "allow", "count", "refuse")
	validateAttributes(k, s.Attributes)
}
