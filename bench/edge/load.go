package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// loadJob is one run of the load generator: a closed loop, each connection sends its next request when the
// answer to the last one has come.
type loadJob struct {
	Address     string
	File        string // of requests, as JSON strings; they are sent in turn
	Connections int
	Warm        time.Duration // not counted
	Measured    time.Duration
}

// loadResult is what came of it.
type loadResult struct {
	Requests int64 // all that were answered, while warming up too
	Counted  int64
	Took     time.Duration // of the counted ones
	P50, P99 time.Duration
}

// playLoad makes load, with as little work per request as can be: the processors that it uses are missing
// to the server.
func playLoad(in io.Reader, out io.Writer) error {
	known := map[string][][]byte{}
	return serve(in, out, func(job loadJob) (loadResult, error) {
		requests, ok := known[job.File]
		if !ok {
			var err error
			if requests, err = readRequests(job.File); err != nil {
				return loadResult{}, err
			}
			known[job.File] = requests
		}
		return job.run(requests)
	})
}

func readRequests(file string) ([][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []string
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no request", file)
	}
	out := make([][]byte, len(all))
	for i, r := range all {
		out[i] = []byte(r)
	}
	return out, nil
}

func (job loadJob) run(requests [][]byte) (loadResult, error) {
	begin := time.Now().Add(job.Warm)
	end := begin.Add(job.Measured)
	callers := make([]caller, job.Connections)
	var wait sync.WaitGroup
	for i := range callers {
		c := &callers[i]
		wait.Go(func() {
			// Each begins elsewhere, so that two of them rarely are the same visitor at the same time.
			c.err = c.call(job.Address, requests, i*len(requests)/job.Connections, begin, end)
		})
	}
	wait.Wait()
	var sum measure.Histogram
	result := loadResult{Took: job.Measured}
	for i := range callers {
		c := &callers[i]
		if c.err != nil {
			return result, c.err
		}
		sum.Add(&c.took)
		result.Requests += c.answered
	}
	result.Counted = int64(sum.Count())
	result.P50, result.P99 = sum.Quantile(0.5), sum.Quantile(0.99)
	return result, nil
}

// caller is one connection.
type caller struct {
	took     measure.Histogram
	answered int64
	err      error
}

func (c *caller) call(address string, requests [][]byte, at int, begin, end time.Time) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReaderSize(conn, 8<<10)
	for now := time.Now(); now.Before(end); at++ {
		sent := now
		if _, err := conn.Write(requests[at%len(requests)]); err != nil {
			return err
		}
		if err := readAnswer(answers); err != nil {
			return err
		}
		now = time.Now()
		c.answered++
		if !sent.Before(begin) && now.Before(end) {
			c.took.Record(now.Sub(sent))
		}
	}
	return nil
}

var (
	statusOK      = []byte("HTTP/1.1 200 ")
	contentLength = []byte("Content-Length: ")
)

// readAnswer reads one response and wants it to be a success with a length: anything else would be
// measured as something that it is not.
func readAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, statusOK) {
		return fmt.Errorf("the server answered %q", bytes.TrimSpace(status))
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the server answered without a length")
	}
	_, err = r.Discard(length)
	return err
}
