package edge_test

import (
	"testing"

	"crossfade.dev/crossfade/edge"
)

func TestKept(t *testing.T) {
	s := open(t)
	tickets := edge.KeptTickets(s.ring)
	ticket := edge.SampleTicket(s.ring, "key", "ann")
	for name, c := range map[string]struct {
		cookie string
		opens  func(text string) bool
	}{
		"ticket":  {ticket, func(text string) bool { _, ok := tickets(text); return ok }},
		"visitor": {edge.SampleVisitor(s.ring), edge.KeptVisitors(s.ring)},
		"tools":   {edge.SampleTools(s.ring, "key", "ann"), edge.KeptTools(s.ring)},
	} {
		t.Run(name+": what is good opens again and again", func(t *testing.T) {
			for range 3 {
				if !c.opens(c.cookie) {
					t.Fatal("refused")
				}
			}
		})
		t.Run(name+": one that is known lends nothing to one that is altered", func(t *testing.T) {
			for i := range len(c.cookie) {
				bad := []byte(c.cookie)
				bad[i] ^= 1
				if c.opens(string(bad)) {
					t.Fatalf("opened with byte %d altered", i)
				}
			}
			end := len(c.cookie) - 1
			for _, bad := range []string{"", c.cookie[:end], c.cookie + "A", c.cookie + "=", " " + c.cookie, c.cookie[:end] + "\n" + c.cookie[end:]} {
				if c.opens(bad) {
					t.Errorf("opened %q", bad)
				}
			}
		})
		t.Run(name+": what is refused stays refused", func(t *testing.T) {
			for range 3 {
				if c.opens("AAAA" + c.cookie) {
					t.Fatal("opened")
				}
			}
		})
	}
	t.Run("each is kept under its own text", func(t *testing.T) {
		other := edge.SampleTicket(s.ring, "another key", "ann")
		for range 2 {
			for text, want := range map[string]string{ticket: "key", other: "another key"} {
				if key, ok := tickets(text); !ok || key != want {
					t.Fatalf("got %q, want %q", key, want)
				}
			}
		}
	})
}

// BenchmarkKept is what a request pays for the cookies that it brings: read, and known.
func BenchmarkKept(b *testing.B) {
	s := open(b)
	ticket, visitor := edge.SampleTicket(s.ring, "counterpart000000000000000000001", "customer-1"), edge.SampleVisitor(s.ring)
	known, knownVisitor := edge.KeptTickets(s.ring), edge.KeptVisitors(s.ring)
	for _, c := range []struct {
		name  string
		opens func() bool
	}{
		{"ticket, read", func() bool { _, _, ok := edge.OpenTicket(s.ring, ticket); return ok }},
		{"ticket, known", func() bool { _, ok := known(ticket); return ok }},
		{"visitor, read", func() bool { return edge.VisitorVerifies(s.ring, visitor) }},
		{"visitor, known", func() bool { return knownVisitor(visitor) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !c.opens() {
					b.Fatal("not opened")
				}
			}
		})
	}
}
