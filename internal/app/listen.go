package app

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

// servers are the two listeners and what serves them.
type servers struct {
	publicListener, internalListener net.Listener
	public, internal                 *http.Server
	ready                            atomic.Bool // requests are wanted here
}

// PublicAddr is where browsers are served.
func (a *App) PublicAddr() string { return a.servers.publicListener.Addr().String() }

// InternalAddr is where services and operators are served.
func (a *App) InternalAddr() string { return a.servers.internalListener.Addr().String() }

// listen opens both listeners, or takes those that were given.
func (a *App) listen() (err error) {
	s := &a.servers
	s.publicListener, s.internalListener = a.opts.Public, a.opts.Internal
	a.opens("listeners", s.closeListeners)
	if s.publicListener == nil {
		if s.publicListener, err = open("public.listen", a.cfg.Public.Listen); err != nil {
			return err
		}
	}
	if s.internalListener == nil {
		s.internalListener, err = open("internal.listen", a.cfg.Internal.Listen)
	}
	return err
}

func (s *servers) closeListeners(context.Context) error {
	for _, l := range []net.Listener{s.publicListener, s.internalListener} {
		if l != nil {
			_ = l.Close() // the server that it was given to has closed it already
		}
	}
	return nil
}

func open(field, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.Wrap(err, fault.Unavailable, "%s: %s is in use", field, address).
			WithHint("another crossfade may be running: stop it, or choose another port")
	case errors.Is(err, syscall.EACCES):
		return nil, fault.Wrap(err, fault.Denied, "%s: this user may not listen on %s", field, address).
			WithHint("choose a port above 1023, or give the program CAP_NET_BIND_SERVICE")
	case err != nil:
		return nil, fault.Wrap(err, fault.Invalid, "%s: cannot listen on %s", field, address)
	}
	return l, nil
}

// prepareServers puts servers behind the listeners.
func (a *App) prepareServers() {
	p := a.cfg.Public
	quiet := slog.NewLogLogger(a.log.Handler(), slog.LevelDebug) // broken handshakes: the internet's weather
	a.servers.public = &http.Server{
		Handler:           http.HandlerFunc(a.current.public),
		ReadHeaderTimeout: p.HeaderTimeout.D(), IdleTimeout: p.IdleTimeout.D(), MaxHeaderBytes: p.MaxHeaderBytes,
		ErrorLog: quiet, // no deadline on bodies: uploads take as long as they take, and the edge ends those that stall
	}
	if p.TLS.Certificate != "" {
		a.servers.public.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.current.certificate}
	}
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true) // gRPC without TLS
	a.servers.internal = &http.Server{
		Handler: http.HandlerFunc(a.current.internal), Protocols: both,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: quiet,
	}
}

// certificate is that of the newest configuration.
func (gs *generations) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := gs.now.Load().tls; c != nil {
		return c, nil
	}
	return nil, errors.New("no certificate")
}

func loadCertificate(t config.TLS) (*tls.Certificate, error) {
	if t.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the certificate of public.tls cannot be used: %v", err).
			WithHint("certificate is the chain in PEM, the server's own first; key belongs to it")
	}
	return &pair, nil
}

// Inherited takes the listeners that a supervisor holds open while the program restarts, by systemd's
// protocol (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES with the names public and internal). Connections
// that come during a restart then wait instead of being refused. Without such a supervisor: nil. take
// turns a file descriptor into a listener.
func Inherited(getenv func(string) string, pid int, take func(fd uintptr) (net.Listener, error)) (public, internal net.Listener, err error) {
	count, _ := strconv.Atoi(getenv("LISTEN_FDS"))
	if getenv("LISTEN_PID") != strconv.Itoa(pid) || count <= 0 {
		return nil, nil, nil
	}
	const first = 3 // after standard input, output and error
	for i, name := range strings.Split(getenv("LISTEN_FDNAMES"), ":") {
		if i >= count {
			break
		}
		l, err := take(uintptr(first + i))
		switch {
		case err != nil:
			return nil, nil, fault.Wrap(err, fault.Invalid, "the inherited socket %q cannot be used", name)
		case name == "public":
			public = l
		case name == "internal":
			internal = l
		default:
			return nil, nil, fault.New(fault.Invalid, "an inherited socket is named %q", name).
				WithHint("name the units' sockets with FileDescriptorName=public and FileDescriptorName=internal")
		}
	}
	return public, internal, nil
}
