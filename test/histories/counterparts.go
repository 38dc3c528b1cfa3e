package histories

import (
	"time"

	"pgregory.net/rapid"
)

// trouble is what counterparts are for: the way back is needed just when it cannot be made any more.
func (h *History) trouble(t *rapid.T) {
	b := h.customer(t)
	h.put(t, b)
	h.pass(20 * time.Second)
	if rapid.Bool().Draw(t, "the store fails") {
		h.storeFails(t)
	} else {
		h.bridgeFails(t)
	}
	h.kill(t)
	h.send(t, b, Request{Path: "/", Entry: true})
}

// lateRefresh: the call for a counterpart is given up, and arrives after what came since: the next one, or the
// way back with that very counterpart, where she has gone on shopping.
func (h *History) lateRefresh(t *rapid.T) {
	b := h.customer(t)
	h.put(t, b)
	h.answersLost(t)
	h.pass(20 * time.Second)
	overtaken := rapid.Bool().Draw(t, "the next one overtakes it")
	if overtaken {
		h.answers = false
		h.site.AnswersLost(false)
		h.put(t, b)
		h.pass(20 * time.Second)
		h.site.Deliver()
	}
	h.bridgeFails(t)
	h.kill(t)
	back := h.send(t, b, Request{Path: "/", Entry: true})
	if overtaken || back.System != "legacy" || back.User != b.user {
		return
	}
	h.put(t, b)
	h.site.Deliver()
	if r := h.send(t, b, Request{Path: "/", Entry: true}); r.Cart != b.cart {
		t.Fatalf("a late refresh came over what %s did on legacy: had %q, sees %q", b.name, b.cart, r.Cart)
	}
}

// customer is a browser that is logged in on new, in good times.
func (h *History) customer(t *rapid.T) *browser {
	b := h.pick(t)
	h.lift(t)
	h.edgeCatchesUp(t)
	h.bridgeHeals(t)
	h.storeHeals(t)
	h.share = 100
	h.site.Ramp(100)
	h.send(t, b, Request{Path: "/", Entry: true})
	h.logIn(t, b)
	return b
}

// pass lets time go by. Some seconds in good times are enough for what was written to reach the counterparts.
func (h *History) pass(d time.Duration) {
	h.site.Advance(d)
	if h.store || h.bridge || h.answers || d < 5*time.Second {
		return
	}
	for _, b := range h.browsers {
		b.kept = b.kept || b.user != "" && b.cart != "" && !b.doubtful && !b.unconfirmed && !b.strayed
	}
}
