package session

import "time"

// Record is all that a store keeps of one session. The manager treats a record that it has read as
// immutable; a write is a copy with the next version.
//
// Of the embedded Session a store leaves out IdleAt (it is LastSeen+Idle, never past ExpiresAt) and
// LegacyKey with LegacyExpires (the manager opens the sealed ones below).
type Record struct {
	Session

	Idle time.Duration // how long it lives unused
	// First is when any secret of this session was first presented: from then on what it came from (a
	// guest token, a legacy key) is closing. Used is the same for the current secret alone. Zero: never.
	First, Used time.Time

	Secret   SecretHash // of the current secret
	SecretAt time.Time  // when it was made
	Sealed   []byte     // the current secret, sealed, for the losers of a race; nil once that is over
	Previous []Previous // older secrets that still mean something

	// Privileged is the last login or step-up of this session since it was made: it closes what came before.
	Privileged time.Time
	FromGuest  bool // a signed guest token of the same id preceded it
	// View is the read-only session that the guest token opens for a grace after Privileged.
	View ID
	// ViewOf makes this record a view: guest data as it was before the login of the session named. It has
	// no secret and generation 0, and nothing can write it.
	ViewOf ID

	Counterpart LegacyRef // the live legacy session kept beside this one
	Claim       LegacyRef // the legacy session that a restore makes or made
	Operation   [16]byte  // of that restore
	Next        ID        // the session that follows a moved or merged one, if it is in this store
	// Keep is until when the record must outlive its own deadlines, because some other credential still
	// refers to it.
	Keep time.Time

	// Veil is what package sealed keeps of the fields that it has emptied. Stores keep it with the head and
	// never look into it; to everybody else it is nil.
	Veil []byte

	// Attributes is nil when it was not asked for; an Update with nil leaves what is stored.
	Attributes map[string]Attribute
}

// Previous is a secret that was replaced.
type Previous struct {
	Hash SecretHash
	// View is zero after a rotation without change of privilege: the secret still opens the session and
	// yields the new token. Otherwise it opens nothing but that view.
	View ID
	// Until is when it stops meaning anything. Zero: a grace after the current secret's first use.
	Until time.Time
}

// LegacyRef is a legacy session key at rest: a keyed hash to find it and a sealed text to give it back.
type LegacyRef struct {
	Hash    KeyHash
	Sealed  []byte
	Expires time.Time
}

// KeyHash is the keyed hash of a legacy key.
type KeyHash [32]byte

// IsZero reports whether there is no key.
func (h KeyHash) IsZero() bool { return h == KeyHash{} }

// Key is what is remembered of a legacy key that crossed: given out by us, handed over to us, or both.
// Key rows outlive every credential of their lineage.
type Key struct {
	Hash    KeyHash
	Lineage Lineage
	Given   bool // Crossfade chose it or was told of it: a counterpart or a restored session
	// Moved is the session that it was exchanged for; zero: it was not.
	Moved ID
	// Presented is when a browser first brought it, if Given.
	Presented time.Time
	Closed    bool // replaced: it proves nothing any more
	Keep      time.Time
	Version   uint32 // 1 when stored first
}

// clone copies a record for the next version. Slices and maps stay shared: whoever changes one
// replaces it.
func (r *Record) clone() *Record {
	c := *r
	c.Version++
	c.Attributes = nil
	return &c
}

// deadlines brings IdleAt in line after LastSeen, Idle or ExpiresAt changed.
func (r *Record) deadlines() {
	r.IdleAt = r.LastSeen.Add(r.Idle)
	if r.IdleAt.After(r.ExpiresAt) {
		r.IdleAt = r.ExpiresAt
	}
}

// until is when no credential refers to the record any more.
func (r *Record) until() time.Time {
	t := r.ExpiresAt
	for _, o := range []time.Time{r.Keep, r.Counterpart.Expires, r.Claim.Expires} {
		if o.After(t) {
			t = o
		}
	}
	return t
}
