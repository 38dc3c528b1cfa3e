package command

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/rpcfault"
	"crossfade.dev/crossfade/proto/gen/crossfade/control/v1/controlv1connect"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
)

const defaultServer = "http://127.0.0.1:8081"

// admin is a connection to a running server.
type admin struct {
	address  string
	control  controlv1connect.ControlServiceClient
	sessions sessionv1connect.SessionServiceClient
}

// dial prepares calls; it makes none.
func (p *program) dial() (*admin, error) {
	c, err := p.optionalConfig()
	if err != nil {
		return nil, err
	}
	address, err := p.address(c)
	if err != nil {
		return nil, err
	}
	token, err := p.token(c)
	if err != nil {
		return nil, err
	}
	bearer := connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			r.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, r)
		}
	}))
	return &admin{
		address:  address,
		control:  controlv1connect.NewControlServiceClient(p.HTTP, address, bearer),
		sessions: sessionv1connect.NewSessionServiceClient(p.HTTP, address, bearer),
	}, nil
}

// optionalConfig is the configuration, or nil when there is none where nobody asked for one.
func (p *program) optionalConfig() (*config.Config, error) {
	if _, err := os.Stat(p.config); err != nil && p.config == config.FileName {
		return nil, nil
	}
	c, err := config.Load(p.config)
	if err != nil && p.config == config.FileName && p.server != "" {
		return nil, nil // a broken file must not stop a kill that says where to go
	}
	return c, err
}

func (p *program) address(c *config.Config) (string, error) {
	address := p.server
	if address == "" {
		address = p.Getenv("CROSSFADE_SERVER")
	}
	if address == "" && c != nil {
		address = "http://" + reachable(c.Internal.Listen)
	}
	if address == "" {
		address = defaultServer
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fault.New(fault.Invalid, "%q is not the address of a server", address).
			WithHint("write it like %s", defaultServer)
	}
	return strings.TrimSuffix(address, "/"), nil
}

// reachable is a listener's address as a client on the same machine writes it.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// token comes from the first place that has one, the most explicit first.
func (p *program) token(c *config.Config) (string, error) {
	secret := config.Secret{File: p.tokenFile}
	switch {
	case p.tokenFile != "":
	case p.Getenv("CROSSFADE_TOKEN") != "":
		secret = config.Secret{Env: "CROSSFADE_TOKEN"}
	case c != nil:
		secret = c.Admin.Token
	default:
		secret.File = "secrets/admin.token"
		if _, err := os.Stat(secret.File); errors.Is(err, os.ErrNotExist) {
			return "", fault.New(fault.Unauthenticated, "no admin token: there is no %s and no %s here", config.FileName, secret.File).
				WithHint("run the command in the server's folder, or give --token-file or CROSSFADE_TOKEN")
		}
	}
	token, err := secret.Presented("admin.token", p.Getenv, whereToken)
	return string(token), err
}

// whereToken is the hint for a token that is none, or another server's: making one would not help.
const whereToken = "the token is admin.token of the server's crossfade.yaml, usually secrets/admin.token beside it; give it with --token-file or CROSSFADE_TOKEN"

// by is who the changelog records.
func (p *program) by() (string, error) {
	for _, name := range []string{p.author, p.Getenv("CROSSFADE_AUTHOR"), p.User()} {
		if name = strings.TrimSpace(name); name != "" {
			return name, nil
		}
	}
	return "", fault.New(fault.Invalid, "the changelog needs an author").WithHint("give --author, or set CROSSFADE_AUTHOR")
}

// call makes one API call and translates what went wrong.
func call[Q, A any](ctx context.Context, a *admin, method func(context.Context, *Q) (*A, error), in *Q) (*A, error) {
	out, err := method(ctx, in)
	if err == nil {
		return out, nil
	}
	rpc, spoke := errors.AsType[*connect.Error](err)
	if spoke && rpc.Code() == connect.CodeUnimplemented {
		return nil, fault.Wrap(err, fault.Unavailable, "%s answers, but not as Crossfade's internal listener", a.address).
			WithHint("internal.listen in the configuration is the address that is meant, not public.listen")
	}
	if !spoke || !connect.IsWireError(err) {
		return nil, fault.Wrap(err, fault.Unavailable, "no answer from %s", a.address).
			WithHint(`is "crossfade serve" running there? --server or CROSSFADE_SERVER names another address`)
	}
	err = rpcfault.FromConnect(err)
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == fault.Unauthenticated {
		return nil, fault.Wrap(e, fault.Unauthenticated, "the admin token is missing or wrong").WithHint(whereToken)
	}
	return nil, err
}

// Direct is the HTTP client of the program: no proxy from the environment, since the listener is internal.
func Direct() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	return &http.Client{Transport: t}
}
