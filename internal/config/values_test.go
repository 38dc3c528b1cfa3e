package config_test

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/config"
)

func TestParseShare(t *testing.T) {
	for text, want := range map[string]config.Share{
		"0%": 0, "0.25%": 2500, "0.0001%": 1, "100%": config.Whole, "100.0000%": config.Whole, " 5 %": 50_000, "5": 50_000,
		"0.250000%": 2500, "33.3333%": 333_333,
	} {
		if got, err := config.ParseShare(text); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "0.00001%", "101%", "100.0001%", "-1%", "1e2%", ".5%", "5.%", "1,5%", "99999999999999999999%", "0x10%", "five"} {
		if got, err := config.ParseShare(text); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

// FuzzShare promises that a share which is read prints as one that reads the same.
func FuzzShare(f *testing.F) {
	for _, s := range []string{"0.25%", "100%", "0.0001", "7.50%", "-3%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		share, err := config.ParseShare(text)
		if err != nil {
			return
		}
		again, err := config.ParseShare(share.String())
		if err != nil || again != share || share > config.Whole {
			t.Fatalf("%q → %d → %q → %d, %v", text, share, share.String(), again, err)
		}
	})
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "250ms": 250 * time.Millisecond, "1h30m": 90 * time.Minute, "14d": 14 * 24 * time.Hour, "2w": 14 * 24 * time.Hour,
	} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.D() != want {
			t.Errorf("%q = %s, %v", text, d, err)
		}
	}
	for text, want := range map[string]string{"90s": "1m30s", "60s": "1m", "60m": "1h", "336h": "14d", "0s": "0s", "36h": "36h"} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%q prints as %q, want %q", text, d, want)
		}
	}
	for _, text := range []string{"", "30", "-1s", "d", "1.5d", "-1d", "99999999999d", "soon"} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %s", text, d)
		}
	}
}

// FuzzDuration promises that a duration which is read prints as one that reads the same.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"14d", "1h30m", "250ms", "0s", "2w", "1us"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, again config.Duration
		if d.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d || d < 0 {
			t.Fatalf("%q → %s → %s, %v", text, d, again, err)
		}
	})
}
