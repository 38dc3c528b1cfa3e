package config

import (
	"strconv"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// Size is a number of bytes as people write it: "65536", "512KiB", "32MiB", "32MB", "1GiB".
type Size int64

// units from the largest to the smallest, those that count by 1024 first: they are printed.
var units = []struct {
	name string
	size Size
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
}

// maxSizeValue bounds every size, so that none overflows: 1 TiB.
const maxSizeValue = Size(1) << 40

// UnmarshalText reads the forms that the type's comment names.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), Size(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return fault.New(fault.Invalid, "%q is not a size", text).WithHint(`write bytes, or a unit: "65536", "512KiB", "32MiB"; 0 is no limit`)
	}
	if Size(n) > maxSizeValue/unit {
		return fault.New(fault.Invalid, "%q is more than 1024GiB", text).WithHint("0 is no limit")
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText is the form that UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, u := range units[:3] {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func (Size) kind() string { return "size" }

// size complains when a limit is so small that forms would break; 0 is none.
func (k *check) size(path string, s Size) {
	const least = 1 << 10
	if s != 0 && s < least {
		k.fail(path, "0 is no limit", "%s bytes are less than a form takes: the least is %s", s, Size(least))
	}
}
