package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
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
	s := string(text)
	for unit, size := range map[string]Duration{"d": Day, "w": 7 * Day} {
		number, ok := strings.CutSuffix(s, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a duration", s)
		}
		*d = Duration(n) * size
		return nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil && s != "0" {
		return fmt.Errorf("%q has no unit", s)
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText is the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (Duration) kind() string { return "duration" }

func (*Duration) hint() string { return `write it with a unit, like "250ms", "30s", "2h" or "14d"` }

func seconds(n int) Duration { return Duration(n) * Duration(time.Second) }

// item is the path of one entry of a list.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
