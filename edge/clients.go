package edge

import (
	"context"
	"net/netip"

	"github.com/maypok86/otter/v2"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

// clients keep one client from making the bridge work without end: a made-up legacy cookie costs nothing,
// and would cost the legacy application a look-up with every request.
//
// Whoever shares an address shares its budget, so what goes over it is never an error and loses nothing:
// nobody changes system, and no cookie is touched. A session that proves to be a login is not counted, so that the
// people behind one gateway are not in each other's way while they are being moved.
type clients struct {
	perSecond int // 0: no limit
	budgets   *otter.Cache[netip.Prefix, *budget]
}

const (
	// clientBurst is how many seconds' worth a client saves up: a gateway's users come in at nine o'clock.
	clientBurst = 10
	// maxClients are remembered, at about 200 bytes each. One that was forgotten begins with a full budget.
	maxClients = 1 << 16
	// clientBits6 is the part of an IPv6 address that providers give one customer, a house or a rented server.
	clientBits6 = 56
)

func newClients(perSecond int) *clients {
	c := &clients{perSecond: perSecond}
	if perSecond > 0 {
		c.budgets = otter.Must(&otter.Options[netip.Prefix, *budget]{MaximumSize: maxClients})
	}
	return c
}

// of is the budget of a client; an address that is none shares one with all others like it.
func (c *clients) of(addr netip.Addr) *budget {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = clientBits6
	}
	network, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		network = netip.Prefix{}
	}
	if b, ok := c.budgets.GetIfPresent(network); ok {
		return b
	}
	b, _ := c.budgets.ComputeIfAbsent(network, func() (*budget, bool) { return newBudget(c.perSecond, clientBurst), false })
	return b
}

// mayAsk reports whether the bridge may be asked on behalf of this request, which is taken off its client's
// budget once, however often the bridge is asked.
func (p *passage) mayAsk() bool {
	switch {
	case p.e.clients.perSecond == 0 || p.ask == askAllowed || p.ask == askProved:
		return true
	case p.ask == askRefused:
		return false
	}
	p.client = p.e.clientOf(p.peer.client)
	if p.e.clients.of(p.client).take(p.now) {
		p.ask = askAllowed
		return true
	}
	p.ask = askRefused
	p.count(CountOverBudget)
	if p.e.overdrawn.due(p.now) {
		p.e.deps.Log.Warn("a client makes the bridge work too often: its visitors stay where they are until their next page", "request", p.id, "client", p.client.String(),
			"hint", "if that is a proxy of yours, name it in public.trusted_proxies; if it is a gateway with many visitors, raise legacy.bridge.client_budget")
	}
	return false
}

// ask is what is known about the budget of this request's client.
type ask uint8

const (
	askUnasked ask = iota
	askAllowed
	askRefused
	askProved // allowed, and given back: it was a login
)

// proved gives back what a login has cost: its owner may ask as often as pages are opened.
func (p *passage) proved(view legacy.View) {
	if p.ask == askAllowed && view.Found && !view.Ended && view.Kind == session.Authenticated {
		p.ask = askProved
		p.e.clients.of(p.client).giveBack()
	}
}

// inspect asks the bridge about a legacy key that this browser presented, within the client's budget.
func (p *passage) inspect(ctx context.Context, key string) (legacy.View, error) {
	if !p.mayAsk() {
		return legacy.View{}, errOverBudget
	}
	view, err := p.e.inspect(ctx, key)
	if err == nil {
		p.proved(view)
	}
	return view, err
}

var errOverBudget = fault.New(fault.Unavailable, "the client has spent its budget of bridge calls")

// affordable reports whether the bridge may be asked for this handover. Under the kill switch a live login
// may whatever it costs: it is brought back once, and its owner must not be made to wait for others.
func (c *crossing) affordable() bool {
	if c.visit.Killed && (c.visit.Token == handover.TokenAuth || c.visit.Token == handover.TokenMoving) {
		return true
	}
	return c.p.mayAsk()
}

// hold takes a request of a client that is over its budget for no entry: the browser is served where its
// session is, and keeps the cookies that it has. The kill switch cannot wait: under it the bridge counts as
// down, and legacy's own cookie speaks for itself.
func (c *crossing) hold() {
	if c.visit.Killed {
		c.visit.Look, c.visit.Restored = handover.LookUnreachable, handover.Unreachable
		return
	}
	c.p.entry, c.p.decided, c.p.governs = false, false, c.p.whereItIs()
	c.visit.Entry, c.visit.Governs = false, c.p.governs
}
