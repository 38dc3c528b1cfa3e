package sessiontest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between a process and a database server and loses packets without a word: neither side is told,
// as behind a firewall that has forgotten a connection.
type Proxy struct {
	Address string
	backend string
	dropped atomic.Bool
	mu      sync.Mutex
	now     *line // of the connections that are made from now on
	conns   []net.Conn
}

// line is a set of connections with one fate.
type line struct{ dead chan struct{} }

// NewProxy forwards to a backend, until the test ends.
func NewProxy(t testing.TB, backend string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: ln.Addr().String(), backend: backend, now: &line{make(chan struct{})}}
	t.Cleanup(func() {
		_ = ln.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.conns {
			_ = c.Close()
		}
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.serve(c)
		}
	}()
	return p
}

// Drop loses all packets of connections that there are, for ever, and of new ones until Mend.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped.Store(true)
	close(p.now.dead)
	p.now = &line{make(chan struct{})}
}

// Mend lets new connections through.
func (p *Proxy) Mend() { p.dropped.Store(false) }

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, client)
	if p.dropped.Load() {
		return // accepted, and never answered
	}
	server, err := net.Dial("tcp", p.backend)
	if err != nil {
		_ = client.Close()
		return
	}
	p.conns = append(p.conns, server)
	go p.now.forward(client, server)
	go p.now.forward(server, client)
}

// forward copies until the line is dead; then nothing is read, written or closed any more.
func (l *line) forward(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-l.dead:
			return
		default:
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				_ = from.Close()
				return
			}
		}
		if err != nil {
			if tcp, ok := to.(*net.TCPConn); ok && err == io.EOF {
				_ = tcp.CloseWrite()
			}
			return
		}
	}
}
