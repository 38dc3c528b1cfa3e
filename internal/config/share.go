package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a part of all visitors in millionths: 0.25 % is 2500. It is read and printed exactly, never
// through a float.
type Share uint32

// Whole is everybody.
const Whole Share = 1_000_000

// ParseShare reads a percentage with up to four decimals; the percent sign may be missing.
func ParseShare(text string) (Share, error) {
	digits := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "%"))
	whole, fraction, point := strings.Cut(digits, ".")
	if !decimal(whole) || point && !decimal(fraction) || len(whole) > 9 {
		return 0, fmt.Errorf("%q is not a percentage", text)
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > 4 {
		return 0, fmt.Errorf("%s%% is finer than a millionth of all visitors", digits)
	}
	n, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", 4-len(fraction)), 10, 64)
	if err != nil || n > uint64(Whole) {
		return 0, fmt.Errorf("%s%% is more than 100%%", digits)
	}
	return Share(n), nil
}

func decimal(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// UnmarshalText reads what ParseShare reads.
func (s *Share) UnmarshalText(text []byte) (err error) {
	*s, err = ParseShare(string(text))
	return err
}

// MarshalText is the form that UnmarshalText reads.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Share) String() string {
	whole, rest := s/10_000, s%10_000
	if rest == 0 {
		return fmt.Sprintf("%d%%", whole)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%04d", whole, rest), "0") + "%"
}

func (Share) kind() string { return "percentage" }

func (*Share) hint() string { return "write 0% to 100% with at most four decimals, like 0.25%" }
