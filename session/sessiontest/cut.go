package sessiontest

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

// RunCut checks on a real server that nothing that ended is served beyond the bound by a process whose packets
// are lost without a word. open gives a store on one fresh database through the address of a proxy, or with an
// empty address directly; server is what the proxy stands before.
func RunCut(t *testing.T, server string, open func(t testing.TB, through string) session.Store) {
	for name, choose := range map[string]func(in session.Issued) session.End{
		"one session": func(in session.Issued) session.End { return session.End{ID: in.Session.ID} },
		"a subject":   func(session.Issued) session.End { return session.End{Subject: "u1"} },
		"everybody":   func(session.Issued) session.End { return session.End{Everybody: true} },
	} {
		t.Run("the end of "+name, func(t *testing.T) { testCut(t, NewProxy(t, server), open, choose) })
	}
}

func testCut(t *testing.T, p *Proxy, open func(testing.TB, string) session.Store, end func(session.Issued) session.End) {
	ring := must[*keyring.Ring](t)(keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)}))
	process := func(through string) *session.Manager {
		m := must[*session.Manager](t)(session.New(session.Config{}, open(t, through), ring, time.Now, rand.Reader, slog.New(slog.DiscardHandler)))
		m.Start(context.Background())
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			m.Stop(ctx)
		})
		return m
	}
	here, there := process(""), process(p.Address)
	in := must[session.Issued](t)(here.Upgrade(t.Context(), session.Upgrade{Subject: "u1", Born: here.CurrentMark()}))
	resolve := func() session.Worth {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		return there.Resolve(ctx, in.Token).Worth
	}
	// until waits for something that comes in its own time.
	until := func(what string, holds func() bool) {
		t.Helper()
		for late := time.Now().Add(patience); !holds(); {
			if time.Now().After(late) {
				t.Fatalf("waited in vain for %s", what)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	until("the watch", func() bool { return there.Watch().Alive && resolve() == session.WorthLive })
	p.Drop()
	must[session.Ended](t)(here.End(t.Context(), end(in)))
	answered := time.Now()
	for time.Since(answered) < 2*bound {
		asked := time.Now()
		if w := resolve(); w == session.WorthLive && asked.Sub(answered) >= bound {
			t.Fatalf("served %v after its end", asked.Sub(answered))
		}
		<-time.After(5 * time.Millisecond)
	}
	p.Mend()
	until("the process to come back and know of the end", func() bool {
		w := resolve()
		if w == session.WorthLive {
			t.Fatal("served after its end")
		}
		return w == session.WorthEnded && there.Watch().Alive
	})
}
