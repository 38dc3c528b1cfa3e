package python

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits bound what reading may cost.
type Limits struct {
	Bytes int // of input; 0: 1 MiB
	Ops   int // instructions of a pickle, or values of a JSON text; 0: 200 000
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 1 << 20
	}
	if l.Ops <= 0 {
		l.Ops = 200_000
	}
	return l
}

// The errors of reading. Every other error says what is wrong with the input.
var (
	ErrTooLarge  = errors.New("too large to be read")
	errTruncated = errors.New("it ends in the middle")
)

// ReadPickle reads a pickle of the protocols 0 to 5. It refuses what refers to things outside of it
// (persistent ids, buffers, extension codes) and what nothing that was pickled can mean. It calls nothing.
func ReadPickle(data []byte, limits Limits) (*Value, error) {
	limits = limits.orDefault()
	if len(data) > limits.Bytes {
		return nil, ErrTooLarge
	}
	m := &machine{in: data, memo: map[uint64]*Value{}, room: 16 * limits.Ops}
	for range limits.Ops {
		op, err := m.byte()
		if err != nil {
			return nil, err
		}
		if op == '.' {
			if len(m.stack) != 1 || len(m.marks) != 0 {
				return nil, errors.New("it does not end with one value")
			}
			return m.stack[0], nil
		}
		if err := m.step(op); err != nil {
			return nil, fmt.Errorf("instruction %q at byte %d: %w", op, m.at-1, err)
		}
	}
	return nil, ErrTooLarge
}

// machine is the state of reading: what was read, a stack with marks, and numbered notes.
type machine struct {
	in    []byte
	at    int
	stack []*Value
	marks []int
	memo  map[uint64]*Value
	room  int // how much may still be copied, in values and bytes: a note can be copied by every instruction
}

func (m *machine) copying(n int) error {
	if m.room -= n; m.room < 0 {
		return ErrTooLarge
	}
	return nil
}

// step carries out one instruction. The letters are those of Python's pickletools.
func (m *machine) step(op byte) error {
	for _, group := range []func(*machine, byte) (bool, error){
		(*machine).scalar, (*machine).text, (*machine).container, (*machine).note, (*machine).object,
	} {
		if mine, err := group(m, op); mine || err != nil {
			return err
		}
	}
	switch op {
	case 0x80: // PROTO
		version, err := m.byte()
		if err == nil && version > 5 {
			err = fmt.Errorf("protocol %d is not known", version)
		}
		return err
	case 0x95: // FRAME: only says how much comes at once
		_, err := m.take(8)
		return err
	case '(':
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0': // POP, of a mark too
		if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
			m.marks = m.marks[:n-1]
			return nil
		}
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		top, err := m.top()
		if err == nil {
			m.push(top)
		}
		return err
	}
	return errors.New("refused, or not an instruction")
}

func (m *machine) push(v *Value) { m.stack = append(m.stack, v) }

// floor is how far down an instruction may reach: to the last mark.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) top() (*Value, error) {
	if len(m.stack) <= m.floor() {
		return nil, errors.New("the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) pop() (*Value, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popN takes n values off, in the order in which they were pushed.
func (m *machine) popN(n int) ([]*Value, error) {
	from := len(m.stack) - n
	if from < m.floor() {
		return nil, errors.New("the stack is too short")
	}
	out := append([]*Value(nil), m.stack[from:]...)
	m.stack = m.stack[:from]
	return out, nil
}

// popMark takes everything down to the last mark.
func (m *machine) popMark() ([]*Value, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, errors.New("no mark")
	}
	from := m.marks[n-1]
	out := append([]*Value(nil), m.stack[from:]...)
	m.stack, m.marks = m.stack[:from], m.marks[:n-1]
	return out, nil
}

func (m *machine) byte() (byte, error) {
	if m.at >= len(m.in) {
		return 0, errTruncated
	}
	m.at++
	return m.in[m.at-1], nil
}

func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.in)-m.at) {
		return nil, errTruncated
	}
	out := m.in[m.at : m.at+int(n)]
	m.at += int(n)
	return out, nil
}

// line reads to the end of the line, for protocol 0.
func (m *machine) line() (string, error) {
	end := bytes.IndexByte(m.in[m.at:], '\n')
	if end < 0 {
		return "", errTruncated
	}
	out := string(m.in[m.at : m.at+end])
	m.at += end + 1
	return out, nil
}

// number reads an unsigned little-endian number of 1, 2, 4 or 8 bytes.
func (m *machine) number(size int) (uint64, error) {
	raw, err := m.take(uint64(size))
	if err != nil {
		return 0, err
	}
	var whole [8]byte
	copy(whole[:], raw)
	return binary.LittleEndian.Uint64(whole[:]), nil
}

// counted reads a length of that many bytes and what it counts.
func (m *machine) counted(size int) ([]byte, error) {
	n, err := m.number(size)
	if err != nil {
		return nil, err
	}
	return m.take(n)
}
