package sessiontest

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// scanAll reads every page of a scan; between runs before each page but the first.
func scanAll(t testing.TB, s session.Store, limit int, between func()) map[session.ID]*session.Record {
	t.Helper()
	out := map[session.ID]*session.Record{}
	after := ""
	for pages := 0; ; pages++ {
		if pages > 10_000 {
			t.Fatal("the scan does not end")
		}
		recs, next, err := s.Scan(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			out[r.ID] = r
		}
		if next == "" {
			return out
		}
		after = next
		between()
	}
}

func testScan(t *testing.T, s session.Store) {
	t.Run("of nothing is empty", func(t *testing.T) {
		same(t, scanAll(t, s, 2, func() {}), map[session.ID]*session.Record{})
	})
	guest, view, ended, moved := record(1), record(2), record(3), record(4)
	guest.Kind, guest.Subject = session.Guest, ""
	view.Lineage, view.Generation, view.ViewOf = session.Lineage(id(9)), 0, id(9)
	moved.State = session.StateMoved
	want := map[session.ID]*session.Record{}
	for _, r := range []*session.Record{guest, view, ended, moved, record(5), record(6), record(7)} {
		commit(t, s, session.Insert{Record: r})
		want[r.ID] = r
	}
	commit(t, s, endLineage(ended.Lineage))
	want[ended.ID] = full(t, s, ended.ID)

	t.Run("every record comes with its attributes, in whatever state it is", func(t *testing.T) {
		for _, limit := range []int{1, 3, 7, 100} {
			same(t, scanAll(t, s, limit, func() {}), want)
		}
	})
	t.Run("what is there all the time is met, whatever comes and goes meanwhile", func(t *testing.T) {
		n := byte(100)
		got := scanAll(t, s, 1, func() {
			if n < 140 {
				commit(t, s, session.Insert{Record: record(n)})
				n++
			}
			if r := head(t, s, id(7)); r != nil && r.State == session.StateLive {
				commit(t, s, session.Update{Record: next(r)})
			}
		})
		for id := range want {
			if got[id] == nil {
				t.Errorf("record %v was passed by", id)
			}
		}
	})
	t.Run("a place that no scan gave is refused", func(t *testing.T) {
		if _, _, err := s.Scan(t.Context(), "no such place", 2); fault.CodeOf(err) != fault.Invalid {
			t.Fatalf("got %v", err)
		}
	})
}

func testNotes(t *testing.T, s session.Store) {
	put := func(name string, version uint64, value string) session.PutNote {
		return session.PutNote{Note: session.Note{Name: name, Version: version, Value: []byte(value)}}
	}
	notes := func(prefix string) []session.Note { return must[[]session.Note](t)(s.Notes(t.Context(), prefix)) }

	t.Run("none is no error", func(t *testing.T) { same(t, len(notes("")), 0) })
	t.Run("they come back by the beginning of their names, in order", func(t *testing.T) {
		for _, name := range []string{"ends/b", "ends/a", "other", "ends%c", "Ends/d"} {
			commit(t, s, put(name, 1, "of "+name))
		}
		same(t, notes("ends/"), []session.Note{{Name: "ends/a", Version: 1, Value: []byte("of ends/a")}, {Name: "ends/b", Version: 1, Value: []byte("of ends/b")}})
		same(t, notes("ends%")[0].Name, "ends%c")
		same(t, len(notes("")), 5)
		same(t, len(notes("nothing")), 0)
	})
	t.Run("one is made once, and changed and deleted at its version only", func(t *testing.T) {
		refusedWith(t, s, session.ErrConflict, put("ends/a", 1, "again"))
		refusedWith(t, s, session.ErrConflict, put("ends/a", 3, "too early"))
		refusedWith(t, s, session.ErrConflict, put("ends/none", 2, "changed though absent"))
		refusedWith(t, s, session.ErrConflict, put("ends/none", 2, ""))
		commit(t, s, put("ends/a", 2, "second"))
		refusedWith(t, s, session.ErrConflict, put("ends/a", 2, ""))
		same(t, notes("ends/a"), []session.Note{{Name: "ends/a", Version: 2, Value: []byte("second")}})
		commit(t, s, put("ends/a", 3, ""))
		same(t, len(notes("ends/a")), 0)
		commit(t, s, put("ends/a", 1, "new"))
		same(t, notes("ends/a")[0].Version, uint64(1))
	})
	t.Run("bytes of every kind, up to 64 KiB", func(t *testing.T) {
		value := bytes.Repeat([]byte{0, 1, 254, 255}, 16<<10)
		commit(t, s, session.PutNote{Note: session.Note{Name: "large", Version: 1, Value: value}})
		if got := notes("large"); len(got) != 1 || !reflect.DeepEqual(got[0].Value, value) {
			t.Fatal("it came back changed")
		}
	})
	t.Run("of many who take a lease one has it", func(t *testing.T) {
		if n := atOnce(16, func(int) bool {
			_, err := s.Commit(t.Context(), put("lease", 1, "mine"))
			if err != nil && !errors.Is(err, session.ErrConflict) {
				t.Error(err)
			}
			return err == nil
		}); n != 1 {
			t.Fatalf("%d have it", n)
		}
	})
}
