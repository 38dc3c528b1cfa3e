package httpbridge_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/legacy/httpbridge"
	"crossfade.dev/crossfade/session"
)

const (
	hex1 = "01010101010101010101010101010101"
	hex2 = "02020202020202020202020202020202"
)

func fill(b byte) (out [16]byte) {
	for i := range out {
		out[i] = b
	}
	return out
}

func TestBridge_Inspect(t *testing.T) {
	f := newFake(t)
	b := f.bridge(t)

	t.Run("all fields arrive", func(t *testing.T) {
		f.says(`{"found":true,"moved":true,"ended":false,"kind":"authenticated","subject":"42","lineage":"` + hex1 + `","visitor":"` + hex2 + `","auth_time":1699990000,"born":5,"expires":1700009999,"later":"ignored"}`)
		got, err := b.Inspect(t.Context(), "abc")
		want := legacy.View{
			Found: true, Moved: true, Kind: session.Authenticated, Subject: "42", Lineage: fill(1), Visitor: fill(2),
			AuthTime: time.Unix(1699990000, 0), Born: 5, Expires: time.Unix(1700009999, 0),
		}
		if err != nil || got != want {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
		if c := f.seen()[0]; c.path != "/_crossfade/bridge/v1/inspect" || string(c.body) != `{"key":"abc"}` {
			t.Fatalf("sent %s %s", c.path, c.body)
		}
	})
	t.Run("not found is an answer", func(t *testing.T) {
		f.says(`{"found":false,"moved":null,"kind":null,"subject":null,"lineage":null,"auth_time":null,"born":null,"expires":null}`)
		if got, err := b.Inspect(t.Context(), "abc"); err != nil || got != (legacy.View{}) {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
}

func TestBridge_Exchange(t *testing.T) {
	f := newFake(t)
	b := f.bridge(t)
	in := legacy.ExchangeCall{Operation: fill(9), Key: "abc", Lineage: fill(1), Visitor: fill(2), Counterpart: "def"}

	t.Run("values keep their bytes", func(t *testing.T) {
		data := map[string]string{
			"whole": `1`, "float": `1.0`, "big": `123456789012345678901234567890`, "spaced": `{ "b" : 1,"a":[ 1 ] }`,
			"escaped": `"\u003cZo\u00eb \ud83d\ude00"`, "html": `"<a href='x'>&</a>"`, "exp": `1E400`,
		}
		var parts []string
		for k, v := range data {
			parts = append(parts, `"`+k+`": `+v)
		}
		f.says(`{"found":true,"kind":"guest","lineage":"` + hex1 + `","generation":2,"idle":1209600,"data":{` + strings.Join(parts, ", ") + `},
			"left_behind":[{"key":"seen","reason":"not_json","type":"datetime.datetime"}],"counterpart":null}`)
		got, err := b.Exchange(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range data {
			if string(got.Data[k]) != v {
				t.Errorf("%s became %s", v, got.Data[k])
			}
		}
		if got.Idle != 14*24*time.Hour || got.Generation != 2 || got.Counterpart != "" ||
			len(got.LeftBehind) != 1 || got.LeftBehind[0] != (legacy.LeftBehind{Key: "seen", Reason: "not_json", Type: "datetime.datetime"}) {
			t.Fatalf("got %+v", got)
		}
		want := `{"operation":"` + strings.Repeat("09", 16) + `","key":"abc","lineage":"` + hex1 + `","visitor":"` + hex2 + `","counterpart":"def"}`
		if sent := string(f.seen()[0].body); sent != want {
			t.Fatalf("sent %s\nwant %s", sent, want)
		}
	})
	t.Run("an ended session needs nothing else", func(t *testing.T) {
		f.says(`{"found":true,"ended":true}`)
		if got, err := b.Exchange(t.Context(), in); err != nil || !got.Ended {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
}

func TestBridge_Restore(t *testing.T) {
	f := newFake(t)
	b := f.bridge(t)
	in := legacy.RestoreCall{
		Operation: fill(9), Purpose: legacy.Counterpart, Key: "abc", Lineage: fill(1), Generation: 3, Kind: session.Authenticated,
		Subject: "42", AuthTime: time.Unix(1699990000, 0), Born: 5, Visitor: fill(2), Expires: time.Unix(1700009999, 0),
		Data: map[string]json.RawMessage{"f": json.RawMessage(`1.0`), "a": json.RawMessage(`{ "x": "<&>" }`)},
	}
	t.Run("only a counterpart may be left as it is", func(t *testing.T) {
		f.says(`{"restored":false,"ended":false,"reason":"served"}`)
		beside := in
		beside.Purpose, beside.Version = legacy.Counterpart, 7
		if got, err := b.Restore(t.Context(), beside); err != nil || got != (legacy.RestoreAnswer{Reason: legacy.KeptServed}) {
			t.Errorf("%+v %v", got, err)
		}
		back := in
		back.Purpose = legacy.WayBack
		if got, err := b.Restore(t.Context(), back); err == nil {
			t.Errorf("a way back: %+v", got)
		}
	})
	f.says(`{"restored":true}`)
	if got, err := b.Restore(t.Context(), in); err != nil || !got.Restored {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := `{"operation":"` + strings.Repeat("09", 16) + `","purpose":"counterpart","key":"abc","lineage":"` + hex1 + `","generation":3,"kind":"authenticated","subject":"42","auth_time":1699990000,"born":5,"visitor":"` + hex2 + `","expires":1700009999,"data":{"a":{ "x": "<&>" },"f":1.0}}`
	if sent := string(f.seen()[0].body); sent != want {
		t.Fatalf("sent %s\nwant %s", sent, want)
	}

	t.Run("refused for ever", func(t *testing.T) {
		f.says(`{"restored":false,"ended":true,"reason":"auth_hash"}`)
		got, err := b.Restore(t.Context(), in)
		if err != nil || got != (legacy.RestoreAnswer{Ended: true, Reason: "auth_hash"}) {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	t.Run("a value that is not JSON is not sent", func(t *testing.T) {
		f.says(`{"restored":true}`)
		for _, bad := range []string{"", "{", "NaN", "1 2", "\"\xff\""} {
			in.Data = map[string]json.RawMessage{"cart": json.RawMessage(bad)}
			if _, err := b.Restore(t.Context(), in); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "cart") {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if len(f.seen()) != 0 {
			t.Fatal("sent")
		}
	})
	t.Run("a session over the protocol's limit is not sent", func(t *testing.T) {
		in.Data = map[string]json.RawMessage{"cart": json.RawMessage(`"` + strings.Repeat("x", httpbridge.MaxBody) + `"`)}
		if _, err := b.Restore(t.Context(), in); fault.CodeOf(err) != fault.Exhausted {
			t.Fatal(err)
		}
	})
}

func TestBridge_End(t *testing.T) {
	f := newFake(t)
	b := f.bridge(t)
	f.says(`{"ended":3,"unsupported":null}`)
	got, err := b.End(t.Context(), legacy.EndCall{Operation: fill(9), Subject: "42", Before: 5, Except: fill(1), Reason: "password"})
	if err != nil || got.Ended != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := `{"operation":"` + strings.Repeat("09", 16) + `","subject":"42","before":5,"except":"` + hex1 + `","reason":"password"}`
	if sent := string(f.seen()[0].body); sent != want {
		t.Fatalf("sent %s\nwant %s", sent, want)
	}
	f.says(`{"ended":0,"unsupported":"sessions in signed cookies cannot be found by user"}`)
	got, err = b.End(t.Context(), legacy.EndCall{Operation: fill(9), Everybody: true, Reason: "x"})
	if err != nil || got.Unsupported == "" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestBridge_nonsense(t *testing.T) {
	f := newFake(t)
	b := f.bridge(t, func(c *httpbridge.Config) { c.Breaker.Volume = 1000 })
	for name, body := range map[string]string{
		"a page":                      `<!doctype html>`,
		"nothing":                     ``,
		"an empty object":             `{}`,
		"two values":                  `{"found":false}{}`,
		"a short id":                  `{"found":true,"kind":"guest","lineage":"ab"}`,
		"no hex":                      `{"found":true,"kind":"guest","lineage":"zz010101010101010101010101010101"}`,
		"an unknown kind":             `{"found":true,"kind":"admin"}`,
		"a login without a subject":   `{"found":true,"kind":"authenticated"}`,
		"a guest with a subject":      `{"found":true,"kind":"guest","subject":"1"}`,
		"a session without a kind":    `{"found":true}`,
		"NaN among the data":          `{"found":true,"kind":"guest","lineage":"` + hex1 + `","data":{"x":NaN}}`,
		"a time with a fraction":      `{"found":true,"kind":"guest","expires":1.5}`,
		"bytes that are not UTF-8":    "{\"found\":true,\"kind\":\"guest\",\"data\":{\"x\":\"\xff\"}}",
		"an exchange without lineage": `{"found":true,"kind":"guest"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f.says(body)
			_, err := b.Exchange(t.Context(), legacy.ExchangeCall{Operation: fill(9), Key: "abc"})
			if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Unavailable || hint == "" {
				t.Fatalf("want unavailable with a hint, got %v", err)
			}
		})
	}
	t.Run("an answer that is too large", func(t *testing.T) {
		f.says(`{"found":true,"kind":"guest","data":{"x":"` + strings.Repeat("x", httpbridge.MaxBody) + `"}}`)
		if _, err := b.Inspect(t.Context(), "abc"); fault.CodeOf(err) != fault.Exhausted {
			t.Fatal(err)
		}
	})
}

func TestBridge_refusals(t *testing.T) {
	f := newFake(t)
	for name, c := range map[string]struct {
		status int
		body   string
		code   fault.Code
		hint   string
	}{
		"not found: secret or url":    {404, "", fault.Denied, "secret"},
		"stale: clocks":               {409, `{"error":"stale"}`, fault.Denied, "clocks"},
		"malformed: versions":         {400, `{"error":"no key"}`, fault.Invalid, "versions"},
		"bad host: ALLOWED_HOSTS":     {400, "<h1>Bad Request (400)</h1>", fault.Denied, "ALLOWED_HOSTS"},
		"redirect: forwarded proto":   {301, "", fault.Denied, "X-Forwarded-Proto"},
		"forbidden: something before": {403, "CSRF", fault.Denied, "CSRF"},
		"error: its log":              {500, "", fault.Unavailable, "log"},
		"gateway: its log":            {502, "", fault.Unavailable, "log"},
	} {
		t.Run(name, func(t *testing.T) {
			f.fails(c.status, c.body)
			_, err := f.bridge(t).Inspect(t.Context(), "abc")
			message, hint := fault.Public(err)
			if fault.CodeOf(err) != c.code || !strings.Contains(hint, c.hint) {
				t.Fatalf("%s %q, hint %q", fault.CodeOf(err), message, hint)
			}
			if len(f.seen()) != 1 {
				t.Fatalf("an answer was asked for %d times", len(f.seen()))
			}
		})
	}
	t.Run("a wrong secret", func(t *testing.T) {
		b := f.bridge(t, func(c *httpbridge.Config) { c.Secret = []byte(strings.Repeat("w", 32)) })
		if _, err := b.Inspect(t.Context(), "abc"); fault.CodeOf(err) != fault.Denied {
			t.Fatal(err)
		}
	})
	t.Run("a clock that is wrong", func(t *testing.T) {
		b := f.bridge(t, func(c *httpbridge.Config) {
			c.Clock = func() time.Time { return f.clock.Now().Add(-2 * time.Minute) }
		})
		_, err := b.Inspect(t.Context(), "abc")
		if _, hint := fault.Public(err); !strings.Contains(hint, "clocks") {
			t.Fatal(err, hint)
		}
	})
}

func TestBridge_retry(t *testing.T) {
	f := newFake(t)
	call := legacy.ExchangeCall{Operation: fill(9), Key: "abc", Lineage: fill(1)}
	good := `{"found":true,"kind":"guest","lineage":"` + hex1 + `"}`

	t.Run("a lost answer is asked for again: same operation, new nonce", func(t *testing.T) {
		f.answers(func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				hangUp(t, w)
				return
			}
			_, _ = w.Write([]byte(good))
		})
		if got, err := f.bridge(t).Exchange(t.Context(), call); err != nil || !got.Found {
			t.Fatalf("got %+v, %v", got, err)
		}
		calls := f.seen()
		if len(calls) != 2 || calls[0].nonce == calls[1].nonce || calls[0].operation(t) != calls[1].operation(t) {
			t.Fatalf("calls %+v", calls)
		}
	})
	t.Run("an answer cut short is asked for again", func(t *testing.T) {
		f.answers(func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte(good[:20]))
				return
			}
			_, _ = w.Write([]byte(good))
		})
		if got, err := f.bridge(t).Exchange(t.Context(), call); err != nil || !got.Found {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	t.Run("a nonce that was used is replaced", func(t *testing.T) {
		f.answers(func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				refuse(w, http.StatusConflict, "replayed")
				return
			}
			_, _ = w.Write([]byte(good))
		})
		if got, err := f.bridge(t).Exchange(t.Context(), call); err != nil || !got.Found {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	t.Run("once is enough", func(t *testing.T) {
		f.answers(func(_ int, w http.ResponseWriter, _ *http.Request) { hangUp(t, w) })
		if _, err := f.bridge(t).Exchange(t.Context(), call); fault.CodeOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
		if n := len(f.seen()); n != 2 {
			t.Fatalf("sent %d times", n)
		}
	})
	t.Run("not after the deadline", func(t *testing.T) {
		f.answers(func(_ int, w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		b := f.bridge(t, func(c *httpbridge.Config) { c.Timeout = 50 * time.Millisecond })
		_, err := b.Exchange(t.Context(), call)
		if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "did not answer within 50ms") {
			t.Fatal(err)
		}
		if n := len(f.seen()); n != 1 {
			t.Fatalf("sent %d times", n)
		}
	})
	t.Run("the caller's deadline counts", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := f.bridge(t).Exchange(ctx, call); fault.CodeOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		b := f.bridge(t, func(c *httpbridge.Config) { c.URL = "http://127.0.0.1:1" })
		_, err := b.Inspect(t.Context(), "abc")
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(hint, "curl") {
			t.Fatal(err, hint)
		}
	})
}

func TestBridge_transport(t *testing.T) {
	f := newFake(t)
	t.Run("connections are kept", func(t *testing.T) {
		f.says(`{"found":false}`)
		b := f.bridge(t)
		before := len(f.conns)
		for range 20 {
			if _, err := b.Inspect(t.Context(), "abc"); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(f.conns) - before; n != 1 {
			t.Fatalf("%d connections", n)
		}
	})
	t.Run("host and extra headers go along", func(t *testing.T) {
		f.says(`{"found":false}`)
		b := f.bridge(t, func(c *httpbridge.Config) {
			c.Host, c.Header = "shop.example", http.Header{"X-Forwarded-Proto": {"https"}}
		})
		if _, err := b.Inspect(t.Context(), "abc"); err != nil {
			t.Fatal(err)
		}
		if c := f.seen()[0]; c.host != "shop.example" || c.header.Get("X-Forwarded-Proto") != "https" {
			t.Fatalf("host %s, %v", c.host, c.header)
		}
	})
	t.Run("a path in front is part of the address and of the signature", func(t *testing.T) {
		f.says(`{"found":false}`)
		b := f.bridge(t, func(c *httpbridge.Config) { c.URL += "/shop%20one/" })
		if _, err := b.Inspect(t.Context(), "abc"); err != nil {
			t.Fatal(err)
		}
		if c := f.seen()[0]; c.path != "/shop one/_crossfade/bridge/v1/inspect" {
			t.Fatal(c.path)
		}
	})
}

func TestNew_refuses(t *testing.T) {
	for name, cfg := range map[string]httpbridge.Config{
		"no address":    {Secret: secret},
		"no scheme":     {URL: "10.0.0.5:8000", Secret: secret},
		"a query":       {URL: "http://a/?b=c", Secret: secret},
		"a password":    {URL: "http://u:p@a/", Secret: secret},
		"no secret":     {URL: "http://a"},
		"a weak secret": {URL: "http://a", Secret: []byte("short")},
	} {
		if _, err := httpbridge.New(cfg); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkBridge_Inspect(b *testing.B) {
	f := newFake(b)
	f.says(`{"found":false}`)
	bridge := f.bridge(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bridge.Inspect(b.Context(), "abc"); err != nil {
			b.Fatal(err)
		}
	}
}
