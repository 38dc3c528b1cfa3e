package sessiontest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/session"
)

// testSharedHistories: several processes log in, rotate, patch and end, while their connections are cut,
// closed, mended, slow and repeat themselves. Whatever happens, a session that ended is not served by
// any process later than the bound after its end was answered, and none that did not end is lost where the
// store can be asked.
func testSharedHistories(t *testing.T, open func(testing.TB) session.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		stale := time.Duration(rapid.SampledFrom([]int{0, 3}).Draw(rt, "seconds stale")) * time.Second
		s := newSite(t, open(t), session.Config{StaleFor: stale})
		h := &history{t: rt, s: s, all: []*process{s.a, s.b, s.process()}}
		rt.Repeat(map[string]func(*rapid.T){
			"":             h.check,
			"log in":       h.login,
			"be a guest":   h.guest,
			"rotate":       h.rotate,
			"patch":        h.patch,
			"end":          h.end,
			"end subject":  h.endSubject,
			"spare one":    h.spare,
			"end all":      h.endAll,
			"pass time":    h.pass,
			"tell":         h.tell,
			"tell late":    h.tellLate,
			"repeat":       h.repeat,
			"drop packets": h.deafen,
			"close":        h.close,
			"cut":          h.cut,
		})
		for _, p := range h.all {
			p.Stop(context.Background())
		}
	})
}

// history is what a run knows for certain.
type history struct {
	t        *rapid.T
	s        *site
	all      []*process
	sessions []*known
}

// known is one session and what has become of it.
type known struct {
	subject string
	guest   *session.GuestProof // of one that nothing is stored for
	id      session.ID
	tokens  []string // the last is the current one
	ended   time.Time
}

func (k *known) current() string { return k.tokens[len(k.tokens)-1] }

// check presents every token to every process.
func (h *history) check(rt *rapid.T) {
	ctx, now := context.Background(), h.s.clock.Now()
	for i, p := range h.all {
		reached := !p.node.down
		for _, k := range h.sessions {
			for _, token := range k.tokens {
				r := p.Resolve(ctx, token)
				live := r.Worth == session.WorthLive || r.Worth == session.WorthReadOnly || r.Worth == session.WorthMoving
				late := now.Sub(k.ended)
				switch {
				case !k.ended.IsZero() && live && late >= bound && !(r.Stale && late < bound+h.s.cfg.StaleFor):
					rt.Fatalf("process %d serves a session (%s) that ended %v ago: %+v", i, k.id, late, r)
				case r.Stale && reached:
					rt.Fatalf("process %d answers stale and reaches the store", i)
				case k.ended.IsZero() && reached && token == k.current() && r.Worth != session.WorthLive:
					rt.Fatalf("process %d says of a live session (%s) that it is %v", i, k.id, r.Worth)
				}
				if r.Worth == session.WorthLive && r.Replace != nil && k.ended.IsZero() {
					h.replaced(k, r.Replace.Token)
				}
			}
			if k.guest == nil && reached && !k.ended.IsZero() && now.Sub(k.ended) >= bound {
				if _, _, err := p.Read(ctx, k.id); err == nil {
					rt.Fatalf("process %d reads a session that ended", i)
				}
			}
		}
	}
}

func (h *history) replaced(k *known, token string) {
	if !slices.Contains(k.tokens, token) {
		k.tokens = append(k.tokens, token)
	}
}

func (h *history) process() *process { return rapid.SampledFrom(h.all).Draw(h.t, "process") }

// one draws a session that has not ended; the step is skipped without any.
func (h *history) one(rt *rapid.T, want func(*known) bool) *known {
	var some []*known
	for _, k := range h.sessions {
		if k.ended.IsZero() && want(k) {
			some = append(some, k)
		}
	}
	if len(some) == 0 {
		rt.Skip("nobody")
	}
	return rapid.SampledFrom(some).Draw(rt, "session")
}

func written(k *known) bool { return k.guest == nil }
func anybody(*known) bool   { return true }

func (h *history) login(rt *rapid.T) {
	p, subject := h.process(), fmt.Sprint("u", rapid.IntRange(1, 3).Draw(rt, "subject"))
	// Before a login a process that cannot trust its memory asks; where it knows an older mark than there is,
	// the login is refused and tried again.
	for range 2 {
		in, err := p.Upgrade(context.Background(), session.Upgrade{Subject: subject, Born: h.newest(p)})
		if err == nil {
			h.sessions = append(h.sessions, &known{subject: subject, id: in.Session.ID, tokens: []string{in.Token}})
			return
		}
	}
}

// newest is the mark that everybody knows who asks: an end that was answered just now may not have reached p.
func (h *history) newest(p *process) (mark session.Mark) {
	for _, o := range h.all {
		mark = max(mark, o.CurrentMark())
	}
	return max(mark, p.CurrentMark())
}

func (h *history) guest(rt *rapid.T) {
	p := h.process()
	in := p.NewGuest(session.VisitorID{1})
	if in.Session.Born < h.newest(p) {
		return // told of an end too late: it may be older than everybody's mark, and then it never lived
	}
	h.sessions = append(h.sessions, &known{guest: Proof(in.Session), id: in.Session.ID, tokens: []string{in.Token}})
}

func (h *history) rotate(rt *rapid.T) {
	k, p := h.one(rt, written), h.process()
	if in, err := p.Rotate(context.Background(), k.id); err == nil {
		h.replaced(k, in.Token)
	} else if !p.node.down {
		rt.Fatalf("rotate: %v", err)
	}
}

func (h *history) patch(rt *rapid.T) {
	k, p := h.one(rt, anybody), h.process()
	out, err := p.Patch(context.Background(), session.Patch{ID: k.id, Guest: k.guest, Set: values("a", fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "value")))})
	switch {
	case err != nil && !p.node.down:
		rt.Fatalf("patch: %v", err)
	case err == nil && out.Replace != nil:
		k.guest = nil
		h.replaced(k, out.Replace.Token)
	}
}

// over puts down that sessions ended, once that was answered.
func (h *history) over(p *process, e session.End, of func(*known) bool) {
	e.Reason = "test"
	if _, err := p.End(context.Background(), e); err != nil {
		if !p.node.down {
			h.t.Fatalf("end: %v", err)
		}
		return
	}
	for _, k := range h.sessions {
		if k.ended.IsZero() && of(k) {
			k.ended = h.s.clock.Now()
		}
	}
}

func (h *history) end(rt *rapid.T) {
	k, p := h.one(rt, anybody), h.process()
	if p.node.down {
		rt.Skip("what is condemned while the store is down is neither live nor ended")
	}
	h.over(p, session.End{ID: k.id}, func(o *known) bool { return o == k })
}

func (h *history) endSubject(rt *rapid.T) {
	k, p := h.one(rt, func(k *known) bool { return k.subject != "" }), h.process()
	h.over(p, session.End{Subject: k.subject}, func(o *known) bool { return o.subject == k.subject })
}

func (h *history) spare(rt *rapid.T) {
	k, p := h.one(rt, func(k *known) bool { return k.subject != "" }), h.process()
	h.over(p, session.End{Subject: k.subject, Except: k.id}, func(o *known) bool { return o != k && o.subject == k.subject })
}

func (h *history) endAll(rt *rapid.T) {
	h.over(h.process(), session.End{Everybody: true}, anybody)
}

func (h *history) pass(rt *rapid.T) {
	h.s.clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 100, 400, 999, 1000}).Draw(rt, "ms")) * time.Millisecond)
}

func (h *history) tell(*rapid.T) { h.process().hear() }

// tellLate: what was on its way for a while tells of everything, and vouches for when it set out.
func (h *history) tellLate(rt *rapid.T) {
	late := time.Duration(rapid.IntRange(1, 2000).Draw(rt, "ms")) * time.Millisecond
	h.process().node.Tell(context.Background(), h.s.clock.Now().Add(-late))
}

func (h *history) repeat(rt *rapid.T) {
	h.process().node.Changes(rapid.IntRange(0, 5).Draw(rt, "again"))
}

func (h *history) deafen(rt *rapid.T) { h.process().node.Deafen(rapid.Bool().Draw(rt, "deaf")) }

func (h *history) close(*rapid.T) { h.process().node.Close() }

func (h *history) cut(rt *rapid.T) { h.process().node.Cut(rapid.Bool().Draw(rt, "down")) }
