package redisstore_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// cutter stands between a store and a server and cuts the store off at one of its scripts: what kill -9 of the
// process does at that moment, as the server sees it.
type cutter struct {
	address string
	backend string
	at      int64 // which script, 1 is the first; 0: none
	answer  bool  // the script is carried out, and only its answer is lost
	scripts atomic.Int64
	armed   atomic.Bool
	cut     atomic.Bool
	mu      sync.Mutex
	conns   []net.Conn
}

func newCutter(t testing.TB, backend string, at int, answer bool) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{address: ln.Addr().String(), backend: backend, at: int64(at), answer: answer}
	t.Cleanup(func() { _ = ln.Close(); c.stop() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	return c
}

func (c *cutter) stop() {
	c.cut.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

func (c *cutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", c.backend)
	if err != nil || c.cut.Load() {
		_ = client.Close()
		return
	}
	c.mu.Lock()
	c.conns = append(c.conns, client, server)
	c.mu.Unlock()
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || c.cut.Load() {
				c.stop()
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	r := bufio.NewReader(client)
	for {
		command, script, err := readCommand(r)
		if err != nil {
			return
		}
		last := false
		if script && c.armed.Load() {
			n := c.scripts.Add(1)
			last = n == c.at
			if c.at != 0 && (n > c.at || last && !c.answer) {
				c.stop()
				return
			}
		}
		if last {
			c.cut.Store(true) // the answer stops at the other loop
		}
		if _, err := server.Write(command); err != nil {
			return
		}
	}
}

// readCommand reads one command as a client sends it.
func readCommand(r *bufio.Reader) (raw []byte, script bool, err error) {
	var b bytes.Buffer
	line := func() (int, error) {
		s, err := r.ReadString('\n')
		b.WriteString(s)
		if err != nil || len(s) < 4 {
			return 0, fmt.Errorf("%q: %w", s, io.ErrUnexpectedEOF)
		}
		return strconv.Atoi(strings.TrimSpace(s[1:]))
	}
	n, err := line()
	if err != nil {
		return nil, false, err
	}
	for i := range n {
		size, err := line()
		if err != nil {
			return nil, false, err
		}
		arg := make([]byte, size+2)
		if _, err := io.ReadFull(r, arg); err != nil {
			return nil, false, err
		}
		if i == 0 && strings.HasPrefix(strings.ToUpper(string(arg)), "EVAL") {
			script = true
		}
		b.Write(arg)
	}
	return b.Bytes(), script, nil
}
