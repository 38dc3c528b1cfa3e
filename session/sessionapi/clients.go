package sessionapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/rpcfault"
	"crossfade.dev/crossfade/session"
)

// Role says what a client may do.
type Role string

// The roles.
const (
	Service Role = "service" // acts on the session whose context it presents
	Legacy  Role = "legacy"  // acts on any session; reads and writes private keys; logs in
	Admin   Role = "admin"   // finds, shows and ends sessions
)

// MinSecret is the fewest bytes that a client's secret may have.
const MinSecret = 16

// Client is one configured caller. For a service, Name is the audience of its contexts: the name of its
// upstream.
type Client struct {
	Name   string
	Role   Role
	Secret string
}

// knownClient keeps the hash alone, so that comparing takes the same time whatever is sent.
type knownClient struct {
	name string
	role Role
	hash [sha256.Size]byte
}

func checkClients(clients []Client) ([]knownClient, error) {
	names, secrets := map[string]bool{}, map[[sha256.Size]byte]string{}
	out := make([]knownClient, 0, len(clients))
	for _, c := range clients {
		hash := sha256.Sum256([]byte(c.Secret))
		refuse := func(format string, args ...any) *fault.Error {
			return fault.New(fault.Invalid, "api client %q: "+format, append([]any{c.Name}, args...)...)
		}
		switch {
		case c.Name == "":
			return nil, refuse("it has no name").WithHint("name it like its upstream")
		case names[c.Name]:
			return nil, refuse("the name is used twice")
		case c.Role != Service && c.Role != Legacy && c.Role != Admin:
			return nil, refuse("no such role: %q", c.Role).WithHint("use service, legacy or admin")
		case len(c.Secret) < MinSecret:
			return nil, refuse("the secret has %d bytes, needs %d or more", len(c.Secret), MinSecret).
				WithHint("make one with: openssl rand -hex 32")
		case secrets[hash] != "":
			return nil, refuse("it has the secret of %q", secrets[hash]).WithHint("give each client its own")
		}
		names[c.Name], secrets[hash] = true, c.Name
		out = append(out, knownClient{name: c.Name, role: c.Role, hash: hash})
	}
	return out, nil
}

// find compares with every client and does not stop at the right one.
func (a *API) find(secret string) *knownClient {
	hash := sha256.Sum256([]byte(secret))
	var found *knownClient
	for i := range a.clients {
		if subtle.ConstantTimeCompare(hash[:], a.clients[i].hash[:]) == 1 {
			found = &a.clients[i]
		}
	}
	return found
}

// audienceHeader tells a client for whom its contexts are made, so that a program that expects another name
// can be told before a visitor meets it.
const audienceHeader = "Crossfade-Audience"

// authenticate lets known clients in, before a byte of the body is read, and forbids every cache to keep
// an answer.
func (a *API) authenticate(next http.Handler) http.Handler {
	refusal := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		var client *knownClient
		if strings.EqualFold(scheme, "Bearer") && len(r.Header.Values("Authorization")) == 1 {
			client = a.find(strings.TrimSpace(secret))
		}
		if client == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(refusal, w, r)
			return
		}
		w.Header().Set(audienceHeader, client.name)
		ctx := session.By(r.Context(), string(client.role)+" "+client.name)
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, callerKey{}, client)))
	})
}

func refuse(errors *connect.ErrorWriter, w http.ResponseWriter, r *http.Request) {
	err := rpcfault.ToConnect(fault.New(fault.Unauthenticated, "the client secret is missing or wrong").
		WithHint(`send "Authorization: Bearer <secret>" with a secret of the api clients in Crossfade's configuration`))
	if errors.IsSupported(r) {
		_ = errors.Write(w, r, err)
		return
	}
	http.Error(w, "the client secret is missing or wrong", http.StatusUnauthorized)
}

type callerKey struct{}

// caller is the client that authenticate let in.
func caller(ctx context.Context) *knownClient {
	if c, ok := ctx.Value(callerKey{}).(*knownClient); ok {
		return c
	}
	return &knownClient{} // no role: may do nothing
}

// allow refuses a caller whose role is not among those given.
func allow(ctx context.Context, roles ...Role) (*knownClient, error) {
	c := caller(ctx)
	for _, r := range roles {
		if c.role == r {
			return c, nil
		}
	}
	return nil, fault.New(fault.Denied, "client %q with role %s may not do this", c.name, c.role).
		WithHint("it takes one of the roles %v", roles)
}
