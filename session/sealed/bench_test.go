package sealed_test

import (
	"context"
	"testing"

	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sealed"
)

// remembered answers one record from memory, so that what is measured is sealing alone.
type remembered struct {
	session.Store
	r *session.Record
}

func (m *remembered) Full(context.Context, session.ID) (*session.Record, error) {
	c := *m.r
	return &c, nil
}

func (m *remembered) Commit(_ context.Context, ops ...session.Op) (session.Result, error) {
	m.r = ops[0].(session.Insert).Record
	return session.Result{}, nil
}

// BenchmarkSealing is what sealing adds to a write of a whole record and to reading it again.
func BenchmarkSealing(b *testing.B) {
	r := personal(1)
	for _, m := range []sealed.Mode{sealed.Read, sealed.On} {
		s := over(b, &remembered{r: r}, m, key1)
		b.Run("write/"+string(m), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Commit(b.Context(), session.Insert{Record: r}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("read/"+string(m), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Full(b.Context(), r.ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
