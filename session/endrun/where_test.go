package endrun_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/endrun"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func record() *session.Record {
	return &session.Record{
		Session: session.Session{
			Kind: session.Authenticated, Subject: "42", Created: epoch, AuthTime: epoch, Methods: []string{"pwd", "sms"}, Origin: "shop",
			Device: session.NewDevice("Mozilla/5.0 (X11) Firefox/141.0", netip.MustParseAddr("203.0.113.9")),
		},
		Attributes: map[string]session.Attribute{
			"plan": {Value: json.RawMessage(`"trial"`)}, "n": {Value: json.RawMessage(`1.0`)},
			"big": {Value: json.RawMessage(`9007199254740993`)}, "o": {Value: json.RawMessage(`{"a":[1,null],"b":true}`)},
			"_auth_user_id": {Value: json.RawMessage(`"42"`), Private: true},
		},
	}
}

func attribute(key, value string) endrun.Where {
	return endrun.Where{Attributes: map[string]json.RawMessage{key: json.RawMessage(value)}}
}

func TestWhere_Match(t *testing.T) {
	for name, c := range map[string]struct {
		where endrun.Where
		want  bool
	}{
		"subject":                               {endrun.Where{Subject: "42", Method: "sms"}, true},
		"another subject":                       {endrun.Where{Subject: "43", Method: "sms"}, false},
		"kind":                                  {endrun.Where{Kind: "authenticated"}, true},
		"another kind":                          {endrun.Where{Kind: "guest"}, false},
		"issued before":                         {endrun.Where{IssuedBefore: epoch.Add(1)}, true},
		"issued at that moment":                 {endrun.Where{IssuedBefore: epoch}, false},
		"the network it came from":              {endrun.Where{Address: netip.MustParsePrefix("203.0.0.0/16")}, true},
		"one address counts with its network":   {endrun.Where{Address: netip.MustParsePrefix("203.0.113.200/32")}, true},
		"another network":                       {endrun.Where{Address: netip.MustParsePrefix("198.51.100.0/24")}, false},
		"method":                                {endrun.Where{Method: "sms"}, true},
		"another method":                        {endrun.Where{Method: "otp"}, false},
		"a part of the user agent, in any case": {endrun.Where{Device: "firefox/"}, true},
		"another user agent":                    {endrun.Where{Device: "curl"}, false},
		"origin":                                {endrun.Where{Origin: "shop"}, true},
		"another origin":                        {endrun.Where{Origin: "forum"}, false},
		"text":                                  {attribute("plan", `"trial"`), true},
		"a number is equal by value":            {attribute("n", `1`), true},
		"long ids are not rounded together":     {attribute("big", `9007199254740992`), false},
		"the order of keys is none":             {attribute("o", `{"b": true, "a": [1, null]}`), true},
		"another value":                         {attribute("plan", `"pro"`), false},
		"an attribute that is not there":        {attribute("colour", `null`), false},
		"a private attribute":                   {attribute("_auth_user_id", `"42"`), false},
		"all must hold":                         {endrun.Where{Method: "sms", Origin: "forum"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.where.Match(record()); got != c.want {
				t.Fatalf("%v matches: %v", c.where, got)
			}
		})
	}
	t.Run("of a legacy login that nobody knows the time of every moment is after", func(t *testing.T) {
		r := record()
		r.AuthTime = time.Time{}
		if !(endrun.Where{IssuedBefore: epoch.Add(-time.Hour)}).Match(r) {
			t.Fatal("spared")
		}
	})
	t.Run("a session is as new as its last login", func(t *testing.T) {
		r := record()
		r.Privileged = epoch.Add(time.Hour)
		if (endrun.Where{IssuedBefore: epoch.Add(time.Hour)}).Match(r) {
			t.Fatal("it matches by its beginning")
		}
	})
	t.Run("a session whose address is not known came from no network", func(t *testing.T) {
		r := record()
		r.Device = session.Device{}
		if (endrun.Where{Address: netip.MustParsePrefix("0.0.0.0/0")}).Match(r) {
			t.Fatal("it matches")
		}
	})
}

func TestWhere_Check(t *testing.T) {
	for name, c := range map[string]struct {
		where endrun.Where
		want  fault.Code
	}{
		"nothing at all":             {endrun.Where{}, fault.Invalid},
		"a subject alone":            {endrun.Where{Subject: "42"}, fault.Invalid},
		"a guest with a subject":     {endrun.Where{Kind: "guest", Subject: "42"}, fault.Invalid},
		"no such kind":               {endrun.Where{Kind: "robot"}, fault.Invalid},
		"a value that is not JSON":   {attribute("plan", `trial`), fault.Invalid},
		"what only legacy may read":  {attribute("_auth_user_hash", `"x"`), fault.Denied},
		"a condition that may stand": {endrun.Where{Subject: "42", Method: "sms"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.where.Check(); fault.CodeOf(err) != c.want {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestWhere_String(t *testing.T) {
	w := attribute("plan", `"trial"`)
	w.Method, w.IssuedBefore, w.Address = "sms", epoch, netip.MustParsePrefix("203.0.113.0/24")
	const want = `issued before 2026-03-01T12:00:00Z and address in 203.0.113.0/24 and method sms and plan = "trial"`
	if w.String() != want {
		t.Fatalf("got  %s\nwant %s", w, want)
	}
}

func FuzzWhere(f *testing.F) {
	f.Add([]byte(`{"method":"sms","address":"203.0.113.0/24","attributes":{"n":1e400,"o":{"a":[]}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var w endrun.Where
		if json.Unmarshal(b, &w) != nil || w.Check() != nil {
			return
		}
		w.Match(record())
		again, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var back endrun.Where
		if err := json.Unmarshal(again, &back); err != nil || back.Check() != nil {
			t.Fatalf("%s comes back as %+v, %v", again, back, err)
		}
	})
}
