package system_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/coder/websocket"

	"crossfade.dev/crossfade/client"
)

// application is an upstream: a page that says its name, an upload, a counter in the session, a slow page, a
// WebSocket that echoes, and events. It remembers every request that reached it.
type application struct {
	name     string
	url      string
	sessions func(http.Handler) http.Handler // the client library; nil: an application without sessions

	mu       sync.Mutex
	received []received
	slow     chan slowly // one value for each request for /slow
}

// received is a request as it reached the application, its body read to the end.
type received struct {
	Target  string // as on the request line
	Header  http.Header
	Trailer http.Header
	Body    string
}

// slowly is a request that is answered when the test says so.
type slowly struct{ answer chan string }

func (a *application) handler() http.Handler {
	a.slow = make(chan slowly, 10)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, a.name) })
	mux.HandleFunc("GET /count", a.count)
	mux.HandleFunc("POST /count", a.setCount)
	mux.HandleFunc("GET /slow", a.beSlow)
	mux.HandleFunc("GET /socket", socket)
	mux.HandleFunc("GET /events", events)
	var h http.Handler = mux
	if a.sessions != nil {
		h = a.sessions(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // a body that breaks off is what came
			r.Body = http.NoBody
			a.remember(received{Target: r.RequestURI, Header: r.Header.Clone(), Trailer: r.Trailer.Clone(), Body: string(body)})
		}
		h.ServeHTTP(w, r)
	})
}

func (a *application) remember(r received) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.received = append(a.received, r)
}

// take gives what was received since the last time.
func (a *application) take() []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.received
	a.received = nil
	return out
}

// count answers the session's id and the counter in it.
func (a *application) count(w http.ResponseWriter, r *http.Request) {
	s, n := client.SessionFromContext(r.Context()), 0
	if _, err := s.Get(r.Context(), "count", &n); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintf(w, "%s %d", s.ID(), n)
}

func (a *application) setCount(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("to"))
	if err == nil {
		err = client.SessionFromContext(r.Context()).Set(r.Context(), "count", n)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "kept")
}

func (a *application) beSlow(w http.ResponseWriter, r *http.Request) {
	request := slowly{answer: make(chan string, 1)}
	a.slow <- request
	_, _ = io.WriteString(w, "begun ")
	_ = http.NewResponseController(w).Flush() // a browser that has gone is no news here
	select {
	case text := <-request.answer:
		_, _ = io.WriteString(w, text)
	case <-r.Context().Done():
	}
}

// socket echoes until the other side closes.
func socket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if c.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// events sends one event and then nothing, for as long as the browser stays.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "data: first\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}
