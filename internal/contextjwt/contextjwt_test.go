package contextjwt_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
)

func TestSigner_Sign(t *testing.T) {
	ring, c := newRing(t, 1), newClock()
	signer := newSigner(t, ring, c.Now)
	verifier := newVerifier(t, contextjwt.RingKeys(ring), c.Now)

	t.Run("what is signed is what is read", func(t *testing.T) {
		for name, want := range map[string]contextjwt.Claims{"customer": customer(), "newcomer": newcomer()} {
			got, err := verifier.Verify(t.Context(), mustSign(t, signer, want), "storefront")
			if err != nil {
				t.Fatal(name, err)
			}
			want.Issuer, want.IssuedAt, want.Expires = got.Issuer, got.IssuedAt, got.Expires
			if *got != want {
				t.Fatalf("%s: got %+v, want %+v", name, *got, want)
			}
			if got.Expires-got.IssuedAt != 30 || got.IssuedAt != c.Now().Unix() {
				t.Fatalf("%s: lives from %d to %d", name, got.IssuedAt, got.Expires)
			}
		}
	})
	t.Run("the wire form is the published one", func(t *testing.T) {
		parts := strings.Split(mustSign(t, signer, newcomer()), ".")
		header, _ := base64.RawURLEncoding.DecodeString(parts[0])
		if string(header) != `{"alg":"EdDSA","typ":"crossfade-context+jwt","kid":"1"}` {
			t.Errorf("header %s", header)
		}
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"gen", "ver", "gb", "gi", "gx", "sid", "lin"} {
			if _, ok := claims[name]; !ok {
				t.Errorf("claim %s is missing in %s", name, payload)
			}
		}
		for _, name := range []string{"sub", "auth_time", "amr", "acr", "ro", "ret", "tools", "lent"} {
			if _, ok := claims[name]; ok {
				t.Errorf("claim %s does not belong in %s", name, payload)
			}
		}
	})
	t.Run("a visitor without a session has no claims of one", func(t *testing.T) {
		token := mustSign(t, signer, contextjwt.Claims{Audience: "storefront", System: contextjwt.Legacy, Visitor: id(1), Arm: contextjwt.ArmLegacy})
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		for _, name := range []string{`"sid"`, `"gen"`, `"ver"`, `"kind"`} {
			if bytes.Contains(payload, []byte(name)) {
				t.Errorf("%s in %s", name, payload)
			}
		}
	})
	t.Run("claims that contradict themselves are not signed", func(t *testing.T) {
		bad := customer()
		bad.Kind = contextjwt.Guest
		if _, err := signer.Sign(bad); err == nil {
			t.Fatal("signed a guest with a subject")
		}
	})
	t.Run("what no verifier would accept is not signed", func(t *testing.T) {
		long := customer()
		long.Subject = strings.Repeat("x", contextjwt.MaxSize)
		if _, err := signer.Sign(long); err == nil {
			t.Fatal("signed a context that is too long")
		}
	})
}

func TestSigner_cache(t *testing.T) {
	c := newClock()
	signer := newSigner(t, newRing(t, 1), c.Now)
	first := mustSign(t, signer, customer())

	t.Run("the same claims get the same context while it has ten seconds left", func(t *testing.T) {
		c.Add(20 * time.Second)
		if mustSign(t, signer, customer()) != first {
			t.Fatal("signed again")
		}
	})
	t.Run("with less than ten seconds left it is signed anew", func(t *testing.T) {
		c.Add(time.Second)
		if mustSign(t, signer, customer()) == first {
			t.Fatal("sent a context with nine seconds to live")
		}
	})
	t.Run("a clock that went back never yields a context from the future", func(t *testing.T) {
		ahead := mustSign(t, signer, customer())
		c.Add(-20 * time.Second)
		if mustSign(t, signer, customer()) == ahead {
			t.Fatal("sent a context that was issued in the future")
		}
	})
	for name, change := range map[string]func(*contextjwt.Claims){
		"version":    func(c *contextjwt.Claims) { c.Version++ },
		"session":    func(c *contextjwt.Claims) { c.Session = id(8) },
		"audience":   func(c *contextjwt.Claims) { c.Audience = "checkout" },
		"system":     func(c *contextjwt.Claims) { c.System = contextjwt.Legacy },
		"visitor":    func(c *contextjwt.Claims) { c.Visitor = id(9) },
		"epoch":      func(c *contextjwt.Claims) { c.Epoch++ },
		"arm":        func(c *contextjwt.Claims) { c.Arm = contextjwt.ArmNone },
		"mark":       func(c *contextjwt.Claims) { c.Mark++ },
		"return":     func(c *contextjwt.Claims) { c.Return = id(7) },
		"tools":      func(c *contextjwt.Claims) { c.Tools = true },
		"methods":    func(c *contextjwt.Claims) { c.Methods = contextjwt.JoinMethods([]string{"pwd"}) },
		"guest view": func(c *contextjwt.Claims) { c.Kind, c.Subject, c.ReadOnly = contextjwt.Guest, "", true },
	} {
		t.Run("another "+name+" never gets the cached context", func(t *testing.T) {
			other := customer()
			base := mustSign(t, signer, other)
			change(&other)
			if mustSign(t, signer, other) == base {
				t.Fatal("got the context of other claims")
			}
		})
	}
}

func TestVerifier_Verify(t *testing.T) {
	ring, c := newRing(t, 1), newClock()
	signer := newSigner(t, ring, c.Now)
	verifier := newVerifier(t, contextjwt.RingKeys(ring), c.Now)
	refused := func(t *testing.T, token, audience string) {
		t.Helper()
		if _, err := verifier.Verify(t.Context(), token, audience); fault.CodeOf(err) != fault.Unauthenticated {
			t.Fatalf("want unauthenticated, got %v", err)
		}
	}

	t.Run("another audience is refused, cached or not", func(t *testing.T) {
		token := mustSign(t, signer, customer())
		refused(t, token, "checkout")
		if _, err := verifier.Verify(t.Context(), token, "storefront"); err != nil {
			t.Fatal(err)
		}
		refused(t, token, "checkout")
	})
	t.Run("expiry holds for a cached context too", func(t *testing.T) {
		token := mustSign(t, signer, customer())
		start := c.Now()
		for _, step := range []struct {
			at   time.Duration
			good bool
		}{{0, true}, {34 * time.Second, true}, {35 * time.Second, false}} {
			c.Add(start.Add(step.at).Sub(c.Now()))
			if _, err := verifier.Verify(t.Context(), token, "storefront"); (err == nil) != step.good {
				t.Fatalf("after %s: %v", step.at, err)
			}
		}
	})
	t.Run("a clock difference of five seconds is allowed, six are not", func(t *testing.T) {
		token := mustSign(t, signer, customer())
		c.Add(-5 * time.Second)
		if _, err := verifier.Verify(t.Context(), token, "storefront"); err != nil {
			t.Fatal(err)
		}
		c.Add(-time.Second)
		refused(t, token, "storefront")
		c.Add(6 * time.Second)
	})
	t.Run("the session API's leeway is for expiry alone", func(t *testing.T) {
		late, err := contextjwt.NewVerifier(contextjwt.VerifierConfig{Keys: contextjwt.RingKeys(ring), Clock: c.Now, Leeway: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		token := mustSign(t, signer, customer())
		c.Add(80 * time.Second)
		if _, err := late.Verify(t.Context(), token, "storefront"); err != nil {
			t.Fatal(err)
		}
		c.Add(-90 * time.Second)
		if _, err := late.Verify(t.Context(), token, "storefront"); err == nil {
			t.Fatal("accepted a context from the future")
		}
		c.Add(10 * time.Second)
	})
	t.Run("another ring's key is refused", func(t *testing.T) {
		refused(t, mustSign(t, newSigner(t, newRing(t, 2), c.Now), customer()), "storefront")
	})
	t.Run("a rotated ring still reads the old key's contexts", func(t *testing.T) {
		both := newVerifier(t, contextjwt.RingKeys(newRing(t, 2, 1)), c.Now)
		if _, err := both.Verify(t.Context(), mustSign(t, signer, customer()), "storefront"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("every altered byte is refused", func(t *testing.T) {
		token := mustSign(t, signer, customer())
		for i := range token {
			bad := []byte(token)
			bad[i] ^= 1
			if got, err := verifier.Verify(t.Context(), string(bad), "storefront"); err == nil {
				t.Fatalf("accepted with byte %d altered: %+v", i, got)
			}
		}
	})
}

func TestVerifier_forgeries(t *testing.T) {
	ring, c := newRing(t, 1), newClock()
	verifier := newVerifier(t, contextjwt.RingKeys(ring), c.Now)
	_, private := ring.SigningKey(contextjwt.Purpose)
	good := `{"iss":"crossfade","aud":"storefront","iat":1700000000,"exp":1700000030,"sys":"new","arm":"none","epoch":0,"mark":0}`
	make := func(header, payload string) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(input)))
	}
	const head = `{"alg":"EdDSA","typ":"crossfade-context+jwt","kid":"1"}`
	if _, err := verifier.Verify(t.Context(), make(head, good), "storefront"); err != nil {
		t.Fatal("the model of the forgeries is not good itself:", err)
	}
	for name, token := range map[string]string{
		"another type":           make(`{"alg":"EdDSA","typ":"JWT","kid":"1"}`, good),
		"no type":                make(`{"alg":"EdDSA","kid":"1"}`, good),
		"algorithm none":         make(`{"alg":"none","typ":"crossfade-context+jwt","kid":"1"}`, good),
		"algorithm HS256":        make(`{"alg":"HS256","typ":"crossfade-context+jwt","kid":"1"}`, good),
		"key id with zeros":      make(`{"alg":"EdDSA","typ":"crossfade-context+jwt","kid":"01"}`, good),
		"a critical extension":   make(`{"alg":"EdDSA","typ":"crossfade-context+jwt","kid":"1","crit":["x"],"x":1}`, good),
		"its own key":            make(`{"alg":"EdDSA","typ":"crossfade-context+jwt","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}`, good),
		"a life of 31 seconds":   make(head, strings.Replace(good, "1700000030", "1700000031", 1)),
		"another issuer":         make(head, strings.Replace(good, `"crossfade"`, `"someone"`, 1)),
		"a list of audiences":    make(head, strings.Replace(good, `"storefront"`, `["storefront"]`, 1)),
		"a subject, no session":  make(head, strings.Replace(good, `"mark":0`, `"mark":0,"sub":"1"`, 1)),
		"a short session id":     make(head, strings.Replace(good, `"mark":0`, `"mark":0,"sid":"ab"`, 1)),
		"the JSON serialisation": `{"payload":"e30","protected":"e30","signature":"AA"}`,
		"no token at all":        "",
		"more than the limit":    strings.Repeat("a", contextjwt.MaxSize+1),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verifier.Verify(t.Context(), token, "storefront"); fault.CodeOf(err) != fault.Unauthenticated {
				t.Fatalf("want unauthenticated, got %v", err)
			}
		})
	}
}

func FuzzVerifier(f *testing.F) {
	ring, c := newRing(f, 1), newClock()
	signer := newSigner(f, ring, c.Now)
	good := mustSign(f, signer, customer())
	verifier := newVerifier(f, contextjwt.RingKeys(ring), c.Now)
	for _, seed := range []string{good, mustSign(f, signer, newcomer()), "", "..", "a.b.c", good + ".", "{}", `{"payload":"e30"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := verifier.Verify(t.Context(), token, "storefront")
		if err != nil {
			return
		}
		// Nobody but the signer makes a context, so all that passes says what was signed.
		if claims.Session != customer().Session && claims.Session != newcomer().Session {
			t.Fatalf("%q was accepted as %+v", token, claims)
		}
	})
}

// FuzzClaims feeds payloads behind the signature: a verifier of this version meets the claims of others.
func FuzzClaims(f *testing.F) {
	c := customer()
	seed, _ := json.Marshal(c)
	f.Add(seed)
	f.Add([]byte(`{"amr":[],"sid":"00000000000000000000000000000000"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var claims contextjwt.Claims
		if json.Unmarshal(payload, &claims) != nil {
			return
		}
		again, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		var back contextjwt.Claims
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatalf("%s does not read back: %v", again, err)
		}
	})
}

func BenchmarkSigner_Sign_cached(b *testing.B) {
	c := newClock()
	signer := newSigner(b, newRing(b, 1), c.Now)
	claims := customer()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = signer.Sign(claims)
	}
}

func BenchmarkSigner_Sign_fresh(b *testing.B) {
	c := newClock()
	signer := newSigner(b, newRing(b, 1), c.Now)
	claims := customer()
	b.ReportAllocs()
	for b.Loop() {
		claims.Version++
		_, _ = signer.Sign(claims)
	}
}

func BenchmarkVerifier_Verify_cached(b *testing.B) {
	c, ring := newClock(), newRing(b, 1)
	token := mustSign(b, newSigner(b, ring, c.Now), customer())
	verifier := newVerifier(b, contextjwt.RingKeys(ring), c.Now)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.Verify(b.Context(), token, "storefront"); err != nil {
			b.Fatal(err)
		}
	}
}
