package main

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary play the roles, as the program does.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && strings.HasPrefix(os.Args[1], "role:") {
		fail(play(os.Args[1], os.Stdin, os.Stdout))
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	t.Run("a small run measures everything", func(t *testing.T) {
		o := options{rounds: 1, each: 40 * time.Millisecond, visitors: 2, guests: 80, dir: t.TempDir()}
		if err := o.run(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("profiles are written where they are asked for", func(t *testing.T) {
		o := options{rounds: 1, each: 40 * time.Millisecond, visitors: 1, dir: t.TempDir(), profiles: t.TempDir()}
		if err := o.run(); err != nil {
			t.Fatal(err)
		}
		if files, err := os.ReadDir(o.profiles); err != nil || len(files) != 10 {
			t.Errorf("found %d files, %v; want two for each case", len(files), err)
		}
	})
	t.Run("nothing to measure is refused", func(t *testing.T) {
		if err := (options{}).run(); err == nil {
			t.Error("accepted")
		}
	})
}

func TestReadAnswer(t *testing.T) {
	for answer, good := range map[string]bool{
		page:                            true,
		"HTTP/1.1 200 OK\r\n\r\n":       false,
		"HTTP/1.1 302 Found\r\n\r\n":    false,
		"HTTP/1.1 200 OK\r\nContent-Le": false,
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort": false,
	} {
		if err := readAnswer(bufio.NewReader(strings.NewReader(answer))); (err == nil) != good {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// BenchmarkHandler is what each handler costs by itself, without sockets: what is left of "make bench" when
// net/http's server and transport are taken away. This is the one to profile.
func BenchmarkHandler(b *testing.B) {
	upstream := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	s, err := openSite(b.TempDir(), upstream, instant{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			b.Error(err)
		}
	}()
	customers, err := s.customers(64)
	if err != nil {
		b.Fatal(err)
	}
	remaining, err := s.onLegacy(64)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		handler  http.Handler
		requests []string
	}{
		{caseBare, newBare(upstream, instant{}), customers},
		{casePlain, s.plain, customers},
		{caseEdge, s.edge, customers},
		{caseLegacy, s.edge, remaining},
		{caseFirst, s.edge, []string{jar{}.wire()}},
	} {
		requests := parse(b, c.requests)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			w := &discard{header: http.Header{}}
			for i := 0; b.Loop(); i++ {
				clear(w.header)
				c.handler.ServeHTTP(w, requests[i%len(requests)])
			}
		})
	}
}

// parse reads requests as the server would. None of the handlers changes what a browser sent beyond taking
// out what it may not say, so they can be sent again and again.
func parse(b *testing.B, wire []string) []*http.Request {
	var out []*http.Request
	for _, text := range wire {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			b.Fatal(err)
		}
		r.RemoteAddr = "127.0.0.1:1"
		out = append(out, r)
	}
	return out
}
