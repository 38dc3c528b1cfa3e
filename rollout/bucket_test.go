package rollout_test

import (
	"errors"
	"math"
	"strconv"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

// The published vectors of the formula. They are a promise: a changed bucket moves visitors.
func TestBucket_vectors(t *testing.T) {
	for _, c := range []struct {
		salt, unit string
		want       rollout.Millionths
	}{
		{"sess-2026:enroll", "user-1", 854519},
		{"sess-2026:enroll", "user-2", 803427},
		{"sess-2026:enroll", "6f1d9c3e-0b7a-4f63-9d55-2f6b9a1c7e10", 511223},
		{"sess-2026:holdout", "user-1", 367006},
	} {
		if got, err := rollout.Bucket(c.salt, c.unit); err != nil || got != c.want {
			t.Errorf("Bucket(%q, %q) = %d, %v; want %d", c.salt, c.unit, got, err, c.want)
		}
	}
}

func TestBucket(t *testing.T) {
	t.Run("an empty unit has no bucket", func(t *testing.T) {
		if _, err := rollout.Bucket("salt", ""); !errors.Is(err, rollout.ErrNoUnit) {
			t.Fatal(err)
		}
	})
	t.Run("a salt that would blur the boundary is refused", func(t *testing.T) {
		for _, salt := range []string{"", "a\x00b"} {
			if _, err := rollout.Bucket(salt, "u"); !errors.Is(err, rollout.ErrSalt) {
				t.Fatalf("salt %q: %v", salt, err)
			}
		}
	})
	t.Run("0.25 percent is 0.25 percent", func(t *testing.T) {
		const n, share = 400_000, 2_500
		hits := 0
		for i := range n {
			if b, _ := rollout.Bucket("s", strconv.Itoa(i)); b < share {
				hits++
			}
		}
		want := float64(n) * share / float64(rollout.Whole)
		if math.Abs(float64(hits)-want) > 5*math.Sqrt(want) {
			t.Fatalf("%d of %d, want about %.0f", hits, n, want)
		}
	})
}

func FuzzBucket(f *testing.F) {
	f.Add("sess-2026:enroll", "user-1")
	f.Add("", "")
	f.Add("a\x00", "b")
	f.Fuzz(func(t *testing.T, salt, unit string) {
		if b, err := rollout.Bucket(salt, unit); err == nil && b >= rollout.Whole {
			t.Fatalf("bucket %d is outside", b)
		}
	})
}

func BenchmarkBucket(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rollout.Bucket("sessions-1-4f2a9c01", "0123456789abcdef0123456789abcdef"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParseMillionths(t *testing.T) {
	for in, want := range map[string]rollout.Millionths{
		"0.25": 2_500, "0.25%": 2_500, " 0.25 % ": 2_500, "0.250000": 2_500, "0.0001": 1, "0": 0,
		"1": 10_000, "25%": 250_000, "100": rollout.Whole, "100.0000000%": rollout.Whole, "007": 70_000,
	} {
		if got, err := rollout.ParseMillionths(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", in, got, err, want)
		}
	}
	for in, message := range map[string]string{
		"0.00001":               "0.00001% is finer than a millionth",
		"101":                   "101% is more than 100%",
		"100.0001":              "100.0001% is more than 100%",
		"99999999999999999999%": "99999999999999999999% is more than 100%",
		"-1":                    `"-1" is not a percentage`,
		"0,25":                  `"0,25" is not a percentage`,
		"":                      `"" is not a percentage`,
		".5":                    `".5" is not a percentage`,
		"5.":                    `"5." is not a percentage`,
		"1e1":                   `"1e1" is not a percentage`,
		"5%%":                   `"5%%" is not a percentage`,
	} {
		_, err := rollout.ParseMillionths(in)
		got, hint := fault.Public(err)
		if fault.CodeOf(err) != fault.Invalid || got != message || hint == "" {
			t.Errorf("%q: got %q (hint %q), want %q", in, got, hint, message)
		}
	}
}

func FuzzParseMillionths(f *testing.F) {
	for _, s := range []string{"0.25", "100%", "0.00001", "101", "1.", "%", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := rollout.ParseMillionths(s)
		if err != nil {
			return
		}
		if again, err := rollout.ParseMillionths(m.String()); m > rollout.Whole || err != nil || again != m {
			t.Fatalf("%q is %d, printed %q, read as %d, %v", s, m, m, again, err)
		}
	})
}
