package rollout

import (
	"strconv"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// A percentage has this many decimals before it is finer than a millionth.
const percentDecimals = 4

// perPercent is how many millionths one percent is.
const perPercent = Whole / 100

// ParseMillionths reads a percentage as people write it: "0.25", "0.25%" or "0.25 %" is 2 500. It
// refuses what a millionth cannot hold instead of rounding it, because 0.00001 rounded is nobody.
func ParseMillionths(s string) (Millionths, error) {
	number := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	whole, fraction, _ := strings.Cut(number, ".")
	if !digits(whole) || (strings.Contains(number, ".") && !digits(fraction)) {
		return 0, fault.New(fault.Invalid, "%q is not a percentage", s).
			WithHint(`write digits with a decimal point, like "0.25" or "25%%"`)
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > percentDecimals {
		return 0, fault.New(fault.Invalid, "%s%% is finer than a millionth", number).
			WithHint("the smallest share is 0.0001%%, one visitor in a million")
	}
	percent, err := strconv.ParseUint(whole, 10, 32)
	part, _ := strconv.ParseUint((fraction + "0000")[:percentDecimals], 10, 32) // four digits: cannot fail
	if err != nil || percent > 100 || (percent == 100 && part > 0) {
		return 0, fault.New(fault.Invalid, "%s%% is more than 100%%", number).
			WithHint("shares go from 0 to 100 percent")
	}
	return Millionths(percent)*perPercent + Millionths(part), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String is the share as a percentage that [ParseMillionths] reads back: "0.25%".
func (m Millionths) String() string {
	s := strconv.FormatUint(uint64(m/perPercent), 10)
	if part := m % perPercent; part != 0 {
		tail := strconv.FormatUint(uint64(perPercent+part), 10)[1:] // keeps the leading zeros
		s += "." + strings.TrimRight(tail, "0")
	}
	return s + "%"
}
