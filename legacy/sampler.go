package legacy

import (
	"context"
	"time"
)

// Sampler is a bridge that can describe some of the legacy sessions without giving any of them away. It is
// optional: a legacy side of an older version has no such call.
type Sampler interface {
	// Sample describes up to limit sessions, chosen at random among all, expired ones too. It changes nothing.
	Sample(ctx context.Context, limit int) (SampleAnswer, error)
}

// SampleAnswer is some sessions' shapes.
type SampleAnswer struct {
	Engine string // of the legacy application
	// Total sessions, expired ones too, and live ones; -1: not known.
	Total, Live int64
	// Whole: these are all live sessions that there are.
	Whole bool
	// Unsupported is a sentence when this store cannot be sampled.
	Unsupported string
	Sessions    []SampledSession
}

// SampledSession is one session's shape: no value, and no key of the session.
type SampledSession struct {
	ID            string // tells sessions apart, and nothing else
	Format        string // json, pickle, unreadable
	Problem       string // why it is unreadable
	SignedBy      int    // number of the secret key, 1 for SECRET_KEY; 0: not known
	Size          int    // as stored, in bytes
	Authenticated bool
	Saved         time.Time // zero: not known
	Expires       time.Time // zero: not known, or never
	Keys          []SampledKey
}

// SampledKey is one key of a session. Parts of its name that look like an id or a secret are replaced by *.
type SampledKey struct {
	Key    string
	Type   string
	Odd    string // the first type inside that cannot cross; empty: the value can
	Opaque string // the first class inside that only its own code understands
	Size   int    // in bytes, as JSON where it is
}
