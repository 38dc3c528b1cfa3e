package session_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

func fullRecord() *session.Record {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	return &session.Record{
		Session: session.Session{Kind: session.Authenticated, AuthTime: at, Methods: []string{"pwd", ""}, Level: "aal2",
			Visitor: session.VisitorID{1}, Origin: "shop", Transient: true,
			Device: session.Device{Agent: "Firefox", Network: netip.MustParsePrefix("2001:db8::/56"), Label: "kitchen"}},
		SecretAt: at, Previous: []session.Previous{{Hash: session.SecretHash{1}}, {Hash: session.SecretHash{2}, View: session.ID{3}, Until: at}},
		Privileged: at, FromGuest: true, View: session.ID{4}, ViewOf: session.ID{5},
		Counterpart: session.LegacyRef{Hash: session.KeyHash{6}, Sealed: []byte("c"), Expires: at},
		Claim:       session.LegacyRef{Hash: session.KeyHash{7}, Sealed: []byte("d")},
		Operation:   [16]byte{8}, Next: session.ID{9}, Veil: []byte("veil"),
	}
}

func TestRecordCodec(t *testing.T) {
	for name, r := range map[string]*session.Record{"full": fullRecord(), "empty": {}} {
		t.Run(name+" comes back, and damage is noticed", func(t *testing.T) {
			b := session.AppendHead(nil, r)
			var got session.Record
			if err := session.DecodeHead(b, &got); err != nil || !reflect.DeepEqual(&got, r) {
				t.Fatalf("%v\n%+v", err, got)
			}
			for n := range b {
				if session.DecodeHead(b[:n], &got) == nil {
					t.Fatalf("cut at %d accepted", n)
				}
			}
			if session.DecodeHead(append(b, 0), &got) == nil {
				t.Fatal("a byte too many accepted")
			}
		})
	}
	t.Run("attributes keep their bytes", func(t *testing.T) {
		attrs := map[string]session.Attribute{"a": {Value: json.RawMessage("1.0"), Version: 3}, "_auth_user_id": {Value: json.RawMessage(`"1"`), Version: 1, Private: true}}
		got, err := session.DecodeAttributes(session.AppendAttributes(nil, attrs))
		if err != nil || !reflect.DeepEqual(got, attrs) {
			t.Fatalf("%v %+v", err, got)
		}
	})
	t.Run("attributes with the time of their last write, and those of before", func(t *testing.T) {
		attrs := map[string]session.Attribute{"a": {Value: json.RawMessage("1"), Version: 3, Written: time.UnixMilli(5).UTC()}, "b": {Value: json.RawMessage("2"), Version: 1}}
		got, err := session.DecodeAttributes(session.AppendAttributes(nil, attrs))
		if err != nil || !reflect.DeepEqual(got, attrs) {
			t.Fatalf("%v %+v", err, got)
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	f.Add(session.AppendHead(nil, fullRecord()))
	f.Add(session.AppendHead(nil, &session.Record{}))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add(session.AppendHead(nil, &session.Record{Session: session.Session{Device: session.Device{Label: "a"}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again session.Record
		if session.DecodeHead(b, &r) != nil {
			return
		}
		if err := session.DecodeHead(session.AppendHead(nil, &r), &again); err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%v\n%+v\n%+v", err, r, again)
		}
	})
}

func FuzzDecodeAttributes(f *testing.F) {
	f.Add(session.AppendAttributes(nil, map[string]session.Attribute{"a": {Value: json.RawMessage("1"), Version: 1}, "b": {Value: json.RawMessage("{}"), Version: 9}}))
	f.Add(session.AppendAttributes(nil, map[string]session.Attribute{"a": {Value: json.RawMessage("1"), Version: 1, Written: time.UnixMilli(5)}}))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		attrs, err := session.DecodeAttributes(b)
		if err != nil {
			return
		}
		once := session.AppendAttributes(nil, attrs)
		again, err := session.DecodeAttributes(once)
		if err != nil || !bytes.Equal(once, session.AppendAttributes(nil, again)) {
			t.Fatalf("%v", err)
		}
	})
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]session.Config{
		"idle longer than absolute": {Idle: 2 * time.Hour, Absolute: time.Hour},
		"longer than any cookie":    {Absolute: 401 * 24 * time.Hour},
		"negative":                  {Grace: -time.Second},
		"negative limit":            {Limits: session.Limits{Keys: -1}},
		"negative cache time":       {StaleFor: -1},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if _, err := session.New(cfg, nil, nil, nil, nil, nil); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}
