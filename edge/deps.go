package edge

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// Deps is what an edge works with. All of it outlives the edge and is safe for concurrent use.
type Deps struct {
	Sessions Sessions
	Bridge   legacy.Bridge
	Mapping  Mapping
	// Snapshot is the newest one that this process has; nil: none yet, which means legacy for everybody.
	Snapshot func() *rollout.Snapshot
	Contexts Contexts
	Ring     *keyring.Ring
	// Facts are what cohorts need to know of a subject. Nil: nobody is an employee.
	Facts func(subject string) Facts
	// ClaimMagic ties a magic cookie to the visitor that uses it first; an error means that it is another's,
	// or that nobody can say. Nil: the cookie itself is the only record.
	ClaimMagic func(ctx context.Context, id rollout.MagicID, visitor [16]byte) error
	Observer   Observer     // nil: nobody looks
	Client     http.Handler // serves the browser client at /_crossfade/client.js; nil: 404
	Clock      func() time.Time
	Rand       io.Reader
	Log        *slog.Logger
	// Transport overrides how an upstream is reached, for tests and benchmarks. Nil, or answering nil: the
	// edge's own way.
	Transport func(Upstream) http.RoundTripper
}

// Sessions is the part of session.Manager that the edge calls. Errors carry fault codes.
type Sessions interface {
	Resolve(ctx context.Context, raw string) session.Resolution
	NewGuest(v session.VisitorID) session.Issued
	Exchange(ctx context.Context, in session.Exchange) (session.Exchanged, error)
	Succession(ctx context.Context, legacyKey string) (session.Succession, error)
	Presented(ctx context.Context, legacyKey string)
	ClaimRestore(ctx context.Context, id session.ID) (session.Claim, error)
	FinishRestore(ctx context.Context, c session.Claim) error
	ReleaseRestore(ctx context.Context, c session.Claim) error
	AttachCounterpart(ctx context.Context, id session.ID, key string, expires time.Time) error
	Read(ctx context.Context, id session.ID) (*session.Session, map[string]session.Attribute, error)
	End(ctx context.Context, in session.End) (session.Ended, error)
	CurrentMark() session.Mark
	MarkAgainst(subject string) session.Mark
	Ready(ctx context.Context) error
	Denied(l session.Lineage) bool
	Revoked(ctx context.Context, l session.Lineage, subject string, born session.Mark) (bool, error)
}

// Mapping says which session keys cross, and under what names; legacy/mapping's does. What is left is
// named with a reason, and undeclared are the keys that no rule is about, moved or not.
type Mapping interface {
	Apply(data map[string]json.RawMessage) (moved map[string]json.RawMessage, left []legacy.LeftBehind, undeclared []string)
	Reverse(data map[string]json.RawMessage) (restored map[string]json.RawMessage, left []legacy.LeftBehind, undeclared []string)
}

// Contexts signs contexts; contextjwt.Signer does.
type Contexts interface {
	SignAfter(last *contextjwt.Signed, c *contextjwt.Claims) (*contextjwt.Signed, error)
}

// Facts are what is known of a subject beyond its name.
type Facts struct {
	Employee bool
	Segment  string // at most [MaxSegment] bytes; a longer one is not kept
}
