package realsite_test

import (
	"maps"
	"testing"

	"crossfade.dev/crossfade/test/histories"
	"crossfade.dev/crossfade/test/histories/realsite"
)

// TestLateFetch: the answer to a restore is lost, the kill is lifted, one tab brings the session back; a
// fetch that another tab had sent before still carries the old token, and is served as the same person.
func TestLateFetch(t *testing.T) {
	s := realsite.New(t, t.TempDir())
	defer s.Close()
	jar := histories.Jar{}
	visit := func(q histories.Request) histories.Response {
		r := s.Do(maps.Clone(jar), q)
		for _, n := range r.Delete {
			delete(jar, n)
		}
		maps.Copy(jar, r.Set)
		return r
	}
	s.Ramp(100)
	visit(histories.Request{Path: "/", Entry: true})
	visit(histories.Request{Path: "/login?u=alice", Post: true})
	s.Kill(true)
	s.Do(maps.Clone(jar), histories.Request{Path: "/", Entry: true}) // restored; the answer is lost
	s.Kill(false)
	before := maps.Clone(jar)
	if r := visit(histories.Request{Path: "/", Entry: true}); r.User != "alice" || r.System != "new" {
		t.Fatalf("back as %q on %s", r.User, r.System)
	}
	if r := s.Do(before, histories.Request{Path: "/"}); r.User != "alice" || r.System != "new" {
		t.Fatalf("the late fetch is served as %q on %s", r.User, r.System)
	}
}
