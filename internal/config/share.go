package config

import "crossfade.dev/crossfade/rollout"

// Share is a part of all visitors in millionths: 0.25 % is 2500. It is read and printed exactly, never
// through a float.
type Share rollout.Millionths

// Whole is everybody.
const Whole = Share(rollout.Whole)

// ParseShare reads a percentage with up to four decimals; the percent sign may be missing. The error is
// a fault with a hint.
func ParseShare(text string) (Share, error) {
	m, err := rollout.ParseMillionths(text)
	return Share(m), err
}

// UnmarshalText reads what ParseShare reads.
func (s *Share) UnmarshalText(text []byte) (err error) {
	*s, err = ParseShare(string(text))
	return err
}

// MarshalText is the form that UnmarshalText reads.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Share) String() string { return rollout.Millionths(s).String() }

func (Share) kind() string { return "percentage" }
