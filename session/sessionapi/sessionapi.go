// Package sessionapi serves the session plane to the systems behind the edge: Connect, gRPC and plain
// JSON on the internal listener.
//
// Invariant: a client does only what its role allows, and a service only what the context proves that it
// presents: it reaches no session but the one of the request it is serving, and no more of that session
// than the browser proved. The legacy application, new services and the command line call it.
package sessionapi

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/internal/rpcfault"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/endrun"
)

const (
	// MaxRequest is the largest request body, decompressed, in bytes.
	MaxRequest = 1 << 20
	// DefaultTimeout bounds a call whose client sets no earlier deadline.
	DefaultTimeout = 5 * time.Second
	// DefaultLeeway is for how long an expired context still proves which session a request is about.
	DefaultLeeway = 2 * time.Minute
)

// Manager is what the API needs of [session.Manager].
type Manager interface {
	Resolve(ctx context.Context, raw string) session.Resolution
	NewGuest(v session.VisitorID) session.Issued
	Read(ctx context.Context, id session.ID) (*session.Session, map[string]session.Attribute, error)
	ByLineage(ctx context.Context, l session.Lineage) (*session.Session, error)
	Get(ctx context.Context, id session.ID) (*session.Session, error)
	Patch(ctx context.Context, p session.Patch) (session.Patched, error)
	Upgrade(ctx context.Context, u session.Upgrade) (session.Issued, error)
	StepUp(ctx context.Context, s session.StepUp) (session.Issued, error)
	Rotate(ctx context.Context, id session.ID) (session.Issued, error)
	End(ctx context.Context, e session.End) (session.Ended, error)
	List(ctx context.Context, subject, page string, limit int) ([]*session.Session, string, error)
	CurrentMark() session.Mark
	Export(ctx context.Context, subject, page string) (session.Exported, error)
	Erase(ctx context.Context, subject, reason, page string) (session.Erased, error)
	Attribute(key string) (owner string, personal bool)
}

// EndRuns is what the API needs of [endrun.Runner].
type EndRuns interface {
	Start(ctx context.Context, o endrun.Order) (endrun.Run, error)
	List(ctx context.Context) ([]endrun.Run, error)
	Get(ctx context.Context, id endrun.ID) (endrun.Run, error)
	Cancel(ctx context.Context, id endrun.ID, author, reason string) (endrun.Run, error)
}

// Config is what the API needs.
type Config struct {
	Manager Manager
	EndRuns EndRuns // nil: no ends by condition
	Ring    *keyring.Ring
	Signer  *contextjwt.Signer // makes the contexts that Resolve answers with
	Clients []Client
	Clock   func() time.Time
	Log     *slog.Logger
	Rand    io.Reader     // of the ids under which failures are logged; nil: crypto/rand.Reader
	Timeout time.Duration // 0: DefaultTimeout
	// Leeway is for how long after its expiry a context still proves a session here, 0: DefaultLeeway. A
	// request may take longer than a context lives before it writes; whether the session itself is alive
	// is asked anew each time.
	Leeway time.Duration
	// Ended hears of each end that an operator (role admin) made, when it is in force and before the answer.
	// It cannot fail, and whoever gives it sees to it that it does not wait long. Nil: nobody listens.
	Ended func(ctx context.Context, e OperatorEnd)
	// Exported hears of each export of a subject that begins, as Ended does of ends. Nil: nobody listens.
	Exported func(ctx context.Context, author, subject string)
}

// API implements the session service.
type API struct {
	cfg      Config
	manager  Manager
	clients  []knownClient
	verifier *contextjwt.Verifier
}

var _ sessionv1connect.SessionServiceHandler = (*API)(nil)

// New checks the clients and makes the API.
func New(cfg Config) (*API, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Leeway <= 0 {
		cfg.Leeway = DefaultLeeway
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	clients, err := checkClients(cfg.Clients)
	if err != nil {
		return nil, err
	}
	cfg.Clients = nil // the secrets stay with the hashes' caller
	verifier, err := contextjwt.NewVerifier(contextjwt.VerifierConfig{
		Keys: contextjwt.RingKeys(cfg.Ring), Clock: cfg.Clock, Leeway: cfg.Leeway,
	})
	if err != nil {
		return nil, err
	}
	return &API{cfg: cfg, manager: cfg.Manager, clients: clients, verifier: verifier}, nil
}

// Handler gives the path prefix and the handler to mount under it.
func (a *API) Handler() (path string, h http.Handler) {
	path, inner := sessionv1connect.NewSessionServiceHandler(a,
		connect.WithReadMaxBytes(MaxRequest), rpcfault.StrictJSON(),
		connect.WithInterceptors(rpcfault.Server(a.cfg.Log, a.cfg.Rand), connect.UnaryInterceptorFunc(a.deadline)),
	)
	return path, a.authenticate(inner)
}

// deadline bounds the time of each call.
func (a *API) deadline(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
		defer cancel()
		return next(ctx, req)
	}
}
