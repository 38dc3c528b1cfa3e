package session_test

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"crossfade.dev/crossfade/session"
)

func TestDevice(t *testing.T) {
	t.Run("of an address only the network is kept", func(t *testing.T) {
		for addr, want := range map[string]string{
			"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24",
			"2001:db8:0:1234::9": "2001:db8:0:1200::/56", "fe80::1%eth0": "fe80::/56",
		} {
			if got := session.NewDevice("", netip.MustParseAddr(addr)).Network.String(); got != want {
				t.Errorf("%s is kept as %s, want %s", addr, got, want)
			}
		}
	})
	t.Run("what a browser says of itself is cut, and is text", func(t *testing.T) {
		d := session.NewDevice("a\x00b\r\n\xff"+strings.Repeat("é", session.MaxAgent), netip.Addr{})
		if len(d.Agent) > session.MaxAgent || !utf8.ValidString(d.Agent) || !strings.HasPrefix(d.Agent, "abé") {
			t.Fatalf("kept as %q", d.Agent)
		}
	})
}

func FuzzNewDevice(f *testing.F) {
	f.Add("Mozilla/5.0", []byte{127, 0, 0, 1})
	f.Fuzz(func(t *testing.T, agent string, b []byte) {
		addr, _ := netip.AddrFromSlice(b)
		d := session.NewDevice(agent, addr)
		if len(d.Agent) > session.MaxAgent || !utf8.ValidString(d.Agent) || d.Network.IsValid() && d.Network.Contains(addr) == (addr.Unmap().BitLen() == 0) {
			t.Fatalf("%+v", d)
		}
	})
}
