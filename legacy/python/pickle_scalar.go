package python

import (
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLong is the longest int that is read, in bytes: writing it in decimal takes time that grows with its square.
const maxLong = 1 << 10

var errLong = errors.New("an int of over 1 KiB")

func boolean(is bool) *Value {
	if is {
		return &Value{Kind: Bool, Text: "True"}
	}
	return &Value{Kind: Bool, Text: "False"}
}

func integer(n int64) *Value { return &Value{Kind: Int, Text: strconv.FormatInt(n, 10)} }

func float(f float64) *Value { return &Value{Kind: Float, Text: strconv.FormatFloat(f, 'g', -1, 64)} }

// scalar reads None, bools and numbers.
func (m *machine) scalar(op byte) (bool, error) {
	var v *Value
	var err error
	switch op {
	case 'N':
		v = &Value{Kind: None}
	case 0x88, 0x89:
		v = boolean(op == 0x88)
	case 'J', 'K', 'M': // BININT, BININT1, BININT2
		size := map[byte]int{'J': 4, 'K': 1, 'M': 2}[op]
		var n uint64
		if n, err = m.number(size); err == nil {
			v = integer(int64(n))
			if op == 'J' {
				v = integer(int64(int32(n)))
			}
		}
	case 0x8a, 0x8b: // LONG1, LONG4
		size := 1
		if op == 0x8b {
			size = 4
		}
		var raw []byte
		if raw, err = m.counted(size); err == nil {
			v, err = long(raw)
		}
	case 'I', 'L':
		v, err = m.decimal()
	case 'F':
		var text string
		var f float64
		if text, err = m.line(); err == nil {
			if f, err = strconv.ParseFloat(text, 64); err == nil || errors.Is(err, strconv.ErrRange) {
				v, err = float(f), nil
			}
		}
	case 'G':
		var raw []byte
		if raw, err = m.take(8); err == nil {
			v = float(math.Float64frombits(binary.BigEndian.Uint64(raw)))
		}
	default:
		return false, nil
	}
	if err == nil {
		m.push(v)
	}
	return true, err
}

// decimal reads the ints of protocol 0; "01" and "00" are its True and False.
func (m *machine) decimal() (*Value, error) {
	text, err := m.line()
	switch text = strings.TrimSuffix(text, "L"); {
	case err != nil:
		return nil, err
	case text == "00" || text == "01":
		return boolean(text == "01"), nil
	case len(text) > 2*maxLong:
		return nil, errLong
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || strings.Contains(text, "_") {
		return nil, errors.New("not a number")
	}
	return &Value{Kind: Int, Text: n.String()}, nil
}

// long reads a little-endian number in two's complement.
func long(raw []byte) (*Value, error) {
	if len(raw) > maxLong {
		return nil, errLong
	}
	big1 := new(big.Int)
	turned := slices.Clone(raw)
	slices.Reverse(turned)
	big1.SetBytes(turned)
	if len(turned) > 0 && turned[0]&0x80 != 0 {
		big1.Sub(big1, new(big.Int).Lsh(big.NewInt(1), uint(8*len(turned))))
	}
	return &Value{Kind: Int, Text: big1.String()}, nil
}

// text reads strings and bytes.
func (m *machine) text(op byte) (bool, error) {
	kind, class := Str, ""
	var size int
	switch op {
	case 'U', 0x8c: // SHORT_BINSTRING of Python 2, SHORT_BINUNICODE
		size = 1
	case 'T', 'X':
		size = 4
	case 0x8d:
		size = 8
	case 'C', 'B', 0x8e: // SHORT_BINBYTES, BINBYTES, BINBYTES8
		kind, size = Bytes, map[byte]int{'C': 1, 'B': 4, 0x8e: 8}[op]
	case 0x96:
		kind, class, size = Bytes, "bytearray", 8
	case 'S', 'V':
		line, err := m.line()
		if err == nil {
			if op == 'S' {
				line, err = unquote(line)
			} else {
				line, err = unescape(line, "uU")
			}
		}
		if err == nil {
			m.push(&Value{Kind: Str, Text: line})
		}
		return true, err
	default:
		return false, nil
	}
	raw, err := m.counted(size)
	if err == nil {
		m.push(&Value{Kind: kind, Class: class, Text: string(raw)})
	}
	return true, err
}

// unquote reads what Python 2's repr made of a str.
func unquote(s string) (string, error) {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		return "", errors.New("a string without quotes")
	}
	return unescape(s[1:len(s)-1], `xnrt\'"abfv`)
}

var single = map[byte]string{'n': "\n", 'r': "\r", 't': "\t", '\\': "\\", '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v"}

// unescape undoes backslashes for the letters that are meant by them; other bytes are Latin-1.
func unescape(s, letters string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) || strings.IndexByte(letters, s[i+1]) < 0 {
			b.WriteRune(rune(s[i]))
			continue
		}
		i++
		if plain, ok := single[s[i]]; ok {
			b.WriteString(plain)
			continue
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		if i+digits >= len(s) {
			return "", errors.New("a broken escape")
		}
		n, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
		if err != nil || n > utf8.MaxRune {
			return "", errors.New("a broken escape")
		}
		i += digits
		b.Write(appendAny(nil, rune(n)))
	}
	return b.String(), nil
}

// appendAny is UTF-8 that also takes a lone surrogate, as Python's "surrogatepass".
func appendAny(to []byte, r rune) []byte {
	if r >= 0xd800 && r < 0xe000 {
		return append(to, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
	}
	return utf8.AppendRune(to, r)
}
