package httpbridge_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/httpbridge"
)

func TestBreaker(t *testing.T) {
	f := newFake(t)
	var observed []httpbridge.Observation
	b := f.bridge(t, func(c *httpbridge.Config) {
		c.Observe = func(o httpbridge.Observation) { observed = append(observed, o) }
	})
	ask := func() error {
		_, err := b.Inspect(t.Context(), "abc")
		return err
	}
	f.fails(http.StatusInternalServerError, "")

	t.Run("stays closed below the minimum volume", func(t *testing.T) {
		for range 9 {
			_ = ask()
		}
		if n := len(f.seen()); n != 9 {
			t.Fatalf("%d calls went out", n)
		}
	})
	t.Run("opens at the tenth failure and answers at once", func(t *testing.T) {
		_ = ask()
		err := ask()
		if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "not asked again for 1s") {
			t.Fatal(err)
		}
		if n := len(f.seen()); n != 10 {
			t.Fatalf("%d calls went out", n)
		}
		if last := observed[len(observed)-1]; !last.Shed || last.Attempts != 0 || last.Outcome != "unavailable" {
			t.Fatalf("observed %+v", last)
		}
	})
	t.Run("after a second one call tries, and its failure opens it again", func(t *testing.T) {
		f.clock.Add(time.Second)
		_, _ = ask(), ask()
		if n := len(f.seen()); n != 11 {
			t.Fatalf("%d calls went out", n)
		}
	})
	t.Run("while one call tries, nobody else does", func(t *testing.T) {
		f.clock.Add(time.Second)
		in, out := make(chan struct{}), make(chan struct{})
		f.answers(func(_ int, w http.ResponseWriter, _ *http.Request) {
			close(in)
			<-out
			_, _ = w.Write([]byte(`{"found":false}`))
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := ask(); err != nil {
				t.Error(err)
			}
		})
		<-in
		if err := ask(); fault.CodeOf(err) != fault.Unavailable {
			t.Error(err)
		}
		close(out)
		wg.Wait()
	})
	t.Run("a success closes it", func(t *testing.T) {
		f.says(`{"found":false}`)
		for range 3 {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("answers that refuse do not open it", func(t *testing.T) {
		f.fails(http.StatusNotFound, "")
		for range 50 {
			_ = ask()
		}
		if n := len(f.seen()); n != 50 {
			t.Fatalf("%d calls went out", n)
		}
	})
	t.Run("callers that leave do not open it", func(t *testing.T) {
		f.answers(func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 {
			_, _ = b.Inspect(gone, "abc")
		}
		f.says(`{"found":false}`)
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("old failures fade", func(t *testing.T) {
		f.fails(http.StatusInternalServerError, "")
		for range 30 {
			_ = ask()
			f.clock.Add(2 * time.Second) // five in ten seconds: below the volume
		}
		if n := len(f.seen()); n != 30 {
			t.Fatalf("%d calls went out", n)
		}
	})
}
