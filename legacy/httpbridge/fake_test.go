package httpbridge_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/legacy/httpbridge"
)

var secret = bytes.Repeat([]byte("s"), 32)

// clock is a time that only tests move.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Unix(1_700_000_000, 0).UnixNano())
	return c
}

func (c *clock) Now() time.Time      { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Add(d time.Duration) { c.nanos.Add(int64(d)) }

// call is one request that reached the fake with a good signature.
type call struct {
	path, nonce string
	body        []byte
	header      http.Header
	host        string
}

// operation is the idempotency id of the call's body.
func (c call) operation(t *testing.T) string {
	t.Helper()
	var body struct{ Operation string }
	if err := json.Unmarshal(c.body, &body); err != nil {
		t.Fatal(err)
	}
	return body.Operation
}

// fake is a legacy application that checks signatures, times and nonces as the protocol says and
// then answers with what the test wants.
type fake struct {
	*httptest.Server
	secret []byte
	clock  *clock

	mu     sync.Mutex
	calls  []call
	nonces map[string]bool
	conns  map[string]bool
	answer func(n int, w http.ResponseWriter, r *http.Request) // n counts from 1
}

func newFake(t testing.TB) *fake {
	f := &fake{secret: secret, clock: newClock(), nonces: map[string]bool{}, conns: map[string]bool{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	nonce, stamp := r.Header.Get(httpbridge.HeaderNonce), r.Header.Get(httpbridge.HeaderTime)
	unix, _ := strconv.ParseInt(stamp, 10, 64)
	f.mu.Lock()
	f.conns[r.RemoteAddr] = true
	want := httpbridge.Signature(f.secret, r.Method, r.URL.EscapedPath(), time.Unix(unix, 0), nonce, body)
	if r.Header.Get(httpbridge.HeaderSignature) != want || r.Header.Get(httpbridge.HeaderKey) != "7" || len(nonce) != 32 {
		f.mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if d := f.clock.Now().Sub(time.Unix(unix, 0)); d > time.Minute || d < -time.Minute {
		f.mu.Unlock()
		refuse(w, http.StatusConflict, "stale")
		return
	}
	if f.nonces[nonce] {
		f.mu.Unlock()
		refuse(w, http.StatusConflict, "replayed")
		return
	}
	f.nonces[nonce] = true
	f.calls = append(f.calls, call{path: r.URL.Path, nonce: nonce, body: body, header: r.Header, host: r.Host})
	n, answer := len(f.calls), f.answer
	f.mu.Unlock()
	answer(n, w, r)
}

func refuse(w http.ResponseWriter, status int, what string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":"`+what+`","hint":"…"}`)
}

func (f *fake) says(body string) {
	f.answers(func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

func (f *fake) fails(status int, body string) {
	f.answers(func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func (f *fake) answers(with func(n int, w http.ResponseWriter, r *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.calls = with, nil
}

func (f *fake) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// hangUp closes the connection without an answer.
func hangUp(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.Close()
}

func (f *fake) bridge(t testing.TB, change ...func(*httpbridge.Config)) *httpbridge.Bridge {
	t.Helper()
	cfg := httpbridge.Config{URL: f.URL, KeyID: 7, Secret: secret, Clock: f.clock.Now, Rand: rand.Reader}
	for _, c := range change {
		c(&cfg)
	}
	b, err := httpbridge.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}
