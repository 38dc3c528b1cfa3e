// Package client is for Go services behind the Crossfade edge: who a request belongs to, and the values
// of that visitor's session.
//
// Invariant: who the visitor is comes from the signed context alone, which is verified in the process
// and needs no call; nothing that a browser sends can change it. Services mount [Client.Middleware] and
// ask [SessionFromContext] in their handlers.
//
// # When Crossfade cannot be reached
//
// Identity goes on working: the context is verified with keys that were fetched before. Only a process
// that has not fetched any yet answers 503 until it can. Reading a session's values fails with
// [ErrUnavailable] after [Config.Timeout], once per request: later reads of the same request fail at
// once. Writing and ending fail with [ErrUnavailable] too, and then nothing is known to have changed. What
// a page does without its values is the service's choice; to show it empty and say so is usually better
// than an error.
package client

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/rpcfault"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
)

// DefaultTimeout bounds one call of the session API.
const DefaultTimeout = 2 * time.Second

// Config is what a client needs. API, Name and Secret are required.
type Config struct {
	API    string // Crossfade's internal listener, e.g. http://crossfade:8081
	Name   string // this service's name: that of its upstream and of its API client in Crossfade's configuration
	Secret string // of that API client
	// Timeout bounds one call of the API; 0: DefaultTimeout.
	Timeout time.Duration
	// AllowWithoutContext lets requests pass that did not come through the edge, as visitors without a
	// session. By default they are refused with 403: mount health checks outside of the middleware.
	AllowWithoutContext bool
	// LoginURL is where [Client.RequireAuthenticated] and [Client.RequireFresh] send pages, with the
	// page's own address in the parameter "next". Empty: they answer 401.
	LoginURL string
	// HTTP carries the calls; nil: a client of its own that keeps connections open.
	HTTP *http.Client
	// Clock is the time against which contexts are checked; nil: time.Now.
	Clock func() time.Time
	// Log hears of contexts that were refused; nil: nobody does.
	Log *slog.Logger
}

// Client serves one service. It is safe for concurrent use.
type Client struct {
	cfg      Config
	sessions sessionv1connect.SessionServiceClient
	verifier *contextjwt.Verifier
}

// New checks the configuration and makes a client. It makes no call: Crossfade may start later.
func New(cfg Config) (*Client, error) {
	api, err := url.Parse(cfg.API)
	switch {
	case err != nil || api.Host == "" || (api.Scheme != "http" && api.Scheme != "https"):
		return nil, errorf("API %q is not an http or https address; it is Crossfade's internal listener, like http://crossfade:8081", cfg.API)
	case cfg.Name == "":
		return nil, errorf("Name is missing; it is the name of this service's upstream in Crossfade's configuration")
	case cfg.Secret == "":
		return nil, errorf("Secret is missing; it is the secret of API client %q in Crossfade's configuration", cfg.Name)
	}
	if cfg.LoginURL != "" {
		if _, err := url.Parse(cfg.LoginURL); err != nil {
			return nil, errorf("LoginURL: %w", err)
		}
	}
	cfg = cfg.withDefaults()
	base := strings.TrimRight(cfg.API, "/")
	verifier, err := contextjwt.NewVerifier(contextjwt.VerifierConfig{
		Keys:  contextjwt.NewRemoteKeys(base+contextjwt.JWKSPath, cfg.HTTP, cfg.Clock),
		Clock: cfg.Clock,
	})
	if err != nil {
		return nil, errorf("%w", err)
	}
	return &Client{cfg: cfg, verifier: verifier, sessions: sessionv1connect.NewSessionServiceClient(
		cfg.HTTP, base, connect.WithInterceptors(rpcfault.Client(), bearer(cfg.Secret))),
	}, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.HTTP == nil {
		// The proxy variables of the environment are ignored: this is an internal address, and calls
		// carry a secret.
		cfg.HTTP = &http.Client{Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 15 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 60 * time.Second, TLSHandshakeTimeout: time.Second, ForceAttemptHTTP2: true,
		}}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}

func bearer(secret string) connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+secret)
			return next(ctx, req)
		}
	})
}
