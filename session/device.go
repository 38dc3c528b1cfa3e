package session

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Device is what is remembered of the browser that began a session or last logged in with it: for people who
// look at a list of their sessions, and to end what came from one place. It proves nothing.
type Device struct {
	Agent   string       // its User-Agent header, cut to MaxAgent bytes
	Network netip.Prefix // the network of its address, see [NetworkOf]; the address itself is not kept
	Label   string       // what its owner or the application calls it
}

// MaxAgent and MaxLabel bound the texts of a device, in bytes.
const (
	MaxAgent = 200
	MaxLabel = 100
)

// Networks are kept by what providers give to one customer or site: 24 bits of IPv4, 56 of IPv6.
const (
	networkBits4 = 24
	networkBits6 = 56
)

// IsZero reports whether nothing is known.
func (d Device) IsZero() bool { return d == Device{} }

// NetworkOf is the part of an address that is kept and counted by. The zero prefix: it is none.
func NetworkOf(addr netip.Addr) netip.Prefix {
	bits := networkBits4
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		bits = networkBits6
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// NewDevice is what a request says of the browser that sent it.
func NewDevice(agent string, addr netip.Addr) Device {
	return Device{Agent: agent, Network: NetworkOf(addr)}.tidy()
}

// tidy is a device as it is stored: short, of printable text, with a network and not an address.
func (d Device) tidy() Device {
	d.Agent, d.Label = short(d.Agent, MaxAgent), short(d.Label, MaxLabel)
	if d.Network.IsValid() {
		if whole := NetworkOf(d.Network.Addr()); d.Network.Bits() > whole.Bits() {
			d.Network = whole
		}
		d.Network = d.Network.Masked()
	}
	return d
}

func short(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > most {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// begunOn notes on what a session was begun or logged in. What is not known leaves what was.
func (r *Record) begunOn(d Device) {
	d = d.tidy()
	if d.Label == "" {
		d.Label = r.Device.Label
	}
	if d.Agent != "" || d.Network.IsValid() {
		r.Device = d
	} else {
		r.Device.Label = d.Label
	}
}
