package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// guestsJob asks for that many page requests of guests: each comes for the first time, and then once more
// with the cookies that it got.
type guestsJob struct {
	Requests int
	Dir      string
}

const (
	// quarters is how often memory is looked at on the way.
	quarters = 4
	// patience bounds a quarter on a machine that has no time; what was sent until then is what counts.
	patience = 45 * time.Second
)

// guestsSay is what was found: memory before, and after each quarter of the requests; and what the guests
// left in the store.
type guestsSay struct {
	Sent     [1 + quarters]int
	Heap     [1 + quarters]uint64 // after a collection
	Resident [1 + quarters]int64
	Rows     int
}

// playGuests sends guests through an edge in this very process, with no socket before or behind it: a
// million of them in under a minute.
func playGuests(in io.Reader, out io.Writer) error { return serve(in, out, countGuests) }

func countGuests(job guestsJob) (out guestsSay, err error) {
	upstream := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	s, err := openSite(job.Dir, upstream, instant{})
	if err != nil {
		return out, err
	}
	look := func(at int) { out.Heap[at], out.Resident[at] = measure.Heap(), measure.Resident() }
	look(0)
	for q := range quarters {
		var visitors int
		if visitors, err = s.guests(job.Requests / quarters / pagesEach); err != nil {
			break
		}
		out.Sent[q+1] = out.Sent[q] + pagesEach*visitors
		look(q + 1)
	}
	if err = errors.Join(err, s.close()); err != nil {
		return out, err
	}
	out.Rows, err = countRows(s.database)
	return out, err
}

// pagesEach is how often each guest comes: for the first time, and with the cookies that this gave.
const pagesEach = 2

// guests sends n visitors, from as many goroutines as there are processors, and answers how many came.
func (s *site) guests(n int) (came int, err error) {
	until := time.Now().Add(patience)
	var begun, done atomic.Int64
	var failed atomic.Pointer[error]
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for begun.Add(1) <= int64(n) && failed.Load() == nil && time.Now().Before(until) {
				if err := s.guest(); err != nil {
					failed.Store(&err)
				}
				done.Add(1)
			}
		})
	}
	wait.Wait()
	if failed := failed.Load(); failed != nil {
		err = *failed
	}
	return int(done.Load()), err
}

func (s *site) guest() error {
	j := jar{}
	for range pagesEach {
		w := &discard{header: http.Header{}}
		s.edge.ServeHTTP(w, j.light())
		if w.status != http.StatusOK {
			return fmt.Errorf("the edge answered %d to a guest", w.status)
		}
		for _, line := range w.header["Set-Cookie"] {
			pair, _, _ := strings.Cut(line, ";")
			name, value, _ := strings.Cut(pair, "=")
			j[name] = value
		}
		if j["cf_visitor"] == "" {
			return errors.New("the edge gave a guest no visitor cookie")
		}
	}
	return nil
}

// light is the request without what httptest does for it.
func (j jar) light() *http.Request {
	h := make(http.Header, len(browserHeaders)+1)
	for _, pair := range browserHeaders {
		h[pair[0]] = []string{pair[1]}
	}
	h["Cookie"] = []string{j.header()}
	return &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Host: host, RemoteAddr: "127.0.0.1:1",
	}
}

// countRows is the number of rows of all tables that a visitor could leave something in.
func countRows(database string) (rows int, err error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: database}).EscapedPath()+"?mode=ro")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRow(`SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM legacy_keys) + (SELECT count(*) FROM tombstones)`).Scan(&rows)
	return rows, err
}

// discard is a response that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header { return d.header }

func (d *discard) WriteHeader(status int) {
	if d.status == 0 {
		d.status = status
	}
}

func (d *discard) Write(b []byte) (int, error) {
	d.WriteHeader(http.StatusOK)
	return len(b), nil
}

// instant is an upstream without a socket.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		ContentLength: int64(len("hello\n")), Body: io.NopCloser(strings.NewReader("hello\n")), Request: r,
	}, nil
}
