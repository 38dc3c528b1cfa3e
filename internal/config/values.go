package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Duration is a length of time as people write it: "250ms", "30s", "1h30m", "14d", "2w". A bare number
// is refused, since nobody can tell its unit.
type Duration time.Duration

// Day is 24 hours; time zones play no part in lifetimes.
const Day = Duration(24 * time.Hour)

// D is the value as the standard library counts it.
func (d Duration) D() time.Duration { return time.Duration(d) }

func (d Duration) String() string {
	if d != 0 && d%Day == 0 {
		return strconv.FormatInt(int64(d/Day), 10) + "d"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// UnmarshalText reads the forms that the type's comment names.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if err != nil {
		return err
	}
	if v > century {
		return fault.New(fault.Invalid, "%q is longer than a hundred years", text)
	}
	*d = v
	return nil
}

// century bounds every duration, so that none overflows.
const century = 36_525 * Day

func parseDuration(s string) (Duration, error) {
	const hint = `write it with a unit, like "250ms", "30s", "2h" or "14d"`
	if number, unit := s[:max(0, len(s)-1)], s[max(0, len(s)-1):]; unit == "d" || unit == "w" {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, fault.New(fault.Invalid, "%q is not a duration", s).WithHint(hint)
		}
		size := map[string]Duration{"d": Day, "w": 7 * Day}[unit]
		return size * Duration(min(n, uint64(century/size)+1)), nil // no overflow; the caller refuses it
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil && s != "0" {
		return 0, fault.New(fault.Invalid, "%q has no unit", s).WithHint(hint)
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return 0, fault.New(fault.Invalid, "%q is not a duration", s).WithHint(hint)
	}
	return Duration(v), nil
}

// MarshalText is the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (Duration) kind() string { return "duration" }

func seconds(n int) Duration { return Duration(n) * Duration(time.Second) }

// item is the path of one entry of a list.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
