package stack

import (
	"io"
	"net"
	"sync"
)

// Relay forwards TCP connections to one address and can be cut, so that a bridge fails while the
// monolith behind it keeps serving pages.
type Relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

// NewRelay listens on a free loopback port.
func NewRelay(target string) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	go r.accept()
	return r, nil
}

// Addr is where it listens.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Cut closes every connection and refuses new ones until Mend.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
	for c := range r.conns {
		c.Close()
	}
}

// Mend lets connections through again.
func (r *Relay) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = false
}

// Close ends it.
func (r *Relay) Close() { r.Cut(); r.listener.Close() }

func (r *Relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		if r.hold(c) {
			go r.forward(c)
		}
	}
}

// hold keeps a connection to close it when the relay is cut; false: it is cut already.
func (r *Relay) hold(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		c.Close()
		return false
	}
	r.conns[c] = struct{}{}
	return true
}

func (r *Relay) release(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	c.Close()
}

func (r *Relay) forward(in net.Conn) {
	defer r.release(in)
	out, err := net.Dial("tcp", r.target)
	if err != nil || !r.hold(out) {
		return
	}
	defer r.release(out)
	done := make(chan struct{}, 2)
	pipe := func(to, from net.Conn) {
		io.Copy(to, from)
		done <- struct{}{}
	}
	go pipe(in, out)
	go pipe(out, in)
	<-done
}
