package httpbridge_test

import (
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

func TestSample(t *testing.T) {
	f := newFake(t)
	f.says(`{"engine":"e","total":null,"live":7,"whole":true,"unsupported":null,"sessions":[{"id":"ab","format":"json","problem":"",
		"signed_by":2,"size":80,"authenticated":true,"saved":1700000000,"expires":null,"keys":[{"key":"cart","type":"list","odd":"","opaque":"","size":4}]}]}`)
	got, err := f.bridge(t).Sample(t.Context(), 5)
	if err != nil || got.Engine != "e" || got.Total != -1 || got.Live != 7 || !got.Whole || len(got.Sessions) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	s := got.Sessions[0]
	if s.ID != "ab" || s.SignedBy != 2 || !s.Authenticated || !s.Saved.Equal(time.Unix(1700000000, 0)) || !s.Expires.IsZero() || s.Keys[0].Key != "cart" || s.Keys[0].Size != 4 {
		t.Errorf("%+v", s)
	}
	if c := f.seen()[0]; !strings.HasSuffix(c.path, "/sample") || string(c.body) != `{"limit":5}` {
		t.Errorf("%s %s", c.path, c.body)
	}
}

func TestSample_NonsenseIsNoSample(t *testing.T) {
	for _, body := range []string{`{}`, `{"sessions":null}`, `{"sessions":[{}]}`, `{"sessions":[{"id":"a","format":"xml"}]}`,
		`{"sessions":[{"id":"a","format":"json"},{"id":"b","format":"json"}]}`} {
		f := newFake(t)
		f.says(body)
		if got, err := f.bridge(t).Sample(t.Context(), 1); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}
