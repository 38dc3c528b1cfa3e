package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// serverAsk is a question to the server under test.
type serverAsk struct {
	Do       string // open, usage, profile (until the next profile), close
	Upstream string // for open
	Dir      string // for open: where the database and the requests go
	Visitors int    // for open: of each kind
	File     string // for profile: where to, and empty to end it
}

// serverSays is its answer.
type serverSays struct {
	Cases []served
	Usage usage
}

// served is one case, ready to be measured.
type served struct {
	Name    string
	Address string
	File    string // of requests
}

// usage is what the process has used so far.
type usage struct {
	CPU            time.Duration
	Allocs, Memory uint64 // objects and bytes
}

// server holds all handlers in one process, each on a port of its own: they share a heap of the same size,
// so that the collector runs as often for the one as for the other.
type server struct {
	site      *site
	listeners []net.Listener
	profile   *os.File
}

func playServer(in io.Reader, out io.Writer) error {
	var s server
	err := serve(in, out, s.answer)
	return errors.Join(err, s.close())
}

func (s *server) answer(ask serverAsk) (serverSays, error) {
	switch ask.Do {
	case "open":
		cases, err := s.open(ask)
		return serverSays{Cases: cases}, err
	case "usage":
		return serverSays{Usage: used()}, nil
	case "profile":
		return serverSays{}, s.switchProfile(ask.File)
	}
	return serverSays{}, fmt.Errorf("the server cannot %q", ask.Do)
}

func used() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{CPU: measure.CPU(), Allocs: m.Mallocs, Memory: m.TotalAlloc}
}

func (s *server) open(ask serverAsk) ([]served, error) {
	upstream := &url.URL{Scheme: "http", Host: ask.Upstream}
	var err error
	if s.site, err = openSite(ask.Dir, upstream, newTransport()); err != nil {
		return nil, err
	}
	customers, err := s.site.customers(ask.Visitors)
	if err != nil {
		return nil, err
	}
	remaining, err := s.site.onLegacy(ask.Visitors)
	if err != nil {
		return nil, err
	}
	var cases []served
	for _, c := range []struct {
		name     string
		handler  http.Handler
		requests []string
	}{
		{caseBare, newBare(upstream, newTransport()), customers},
		{casePlain, s.site.plain, customers},
		{caseEdge, s.site.edge, customers},
		{caseLegacy, s.site.edge, remaining},
		{caseFirst, s.site.edge, []string{jar{}.wire()}},
	} {
		file := filepath.Join(ask.Dir, fmt.Sprintf("requests-%d.json", len(cases)))
		text, err := json.Marshal(c.requests)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, err
		}
		address, err := s.listen(c.handler)
		if err != nil {
			return nil, err
		}
		cases = append(cases, served{Name: c.name, Address: address, File: file})
	}
	return cases, nil
}

func (s *server) listen(h http.Handler) (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.listeners = append(s.listeners, listener)
	go func() {
		server := http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
		_ = server.Serve(listener) // until the listener is closed
	}()
	return listener.Addr().String(), nil
}

// switchProfile ends the profile that is being taken, and begins another if there is a file for it. With
// the one of the processors goes one of all allocations so far, under the same name with ".allocs".
func (s *server) switchProfile(file string) error {
	if s.profile != nil {
		pprof.StopCPUProfile()
		allocs, err := os.Create(s.profile.Name() + ".allocs")
		if err != nil {
			return err
		}
		err = errors.Join(pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close(), s.profile.Close())
		if s.profile = nil; err != nil {
			return err
		}
	}
	if file == "" {
		return nil
	}
	var err error
	if s.profile, err = os.Create(file); err != nil {
		return err
	}
	return pprof.StartCPUProfile(s.profile)
}

func (s *server) close() error {
	for _, l := range s.listeners {
		_ = l.Close() // nobody is connected any more
	}
	if s.site == nil {
		return nil
	}
	return s.site.close()
}
