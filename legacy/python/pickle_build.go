package python

import (
	"errors"
	"strconv"
	"strings"
)

var errNotThat = errors.New("does not go with what is on the stack")

// container makes and fills lists, tuples, dicts and sets.
func (m *machine) container(op byte) (bool, error) {
	switch op {
	case ']', ')', '}', 0x8f:
		m.push(&Value{Kind: map[byte]Kind{']': List, ')': Tuple, '}': Dict, 0x8f: Set}[op]})
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		items, err := m.popN(int(op - 0x84))
		if err != nil {
			return true, err
		}
		m.push(&Value{Kind: Tuple, Items: items})
	case 'l', 't', 'd', 0x91: // LIST, TUPLE, DICT, FROZENSET
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		v := &Value{Kind: map[byte]Kind{'l': List, 't': Tuple, 'd': Dict, 0x91: Set}[op], Items: items}
		if op == 0x91 {
			v.Class = "frozenset"
		}
		if op == 'd' && len(items)%2 != 0 {
			return true, errNotThat
		}
		m.push(v)
	case 'a', 's': // APPEND, SETITEM
		items, err := m.popN(map[byte]int{'a': 1, 's': 2}[op])
		if err != nil {
			return true, err
		}
		return true, m.fill(op, items)
	case 'e', 'u', 0x90: // APPENDS, SETITEMS, ADDITEMS
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		return true, m.fill(op, items)
	default:
		return false, nil
	}
	return true, nil
}

// fill adds to what is on top: to the kind that the instruction is for, or to an object that may stand for it.
func (m *machine) fill(op byte, items []*Value) error {
	to, err := m.top()
	if err != nil {
		return err
	}
	want := map[byte]Kind{'a': List, 'e': List, 's': Dict, 'u': Dict, 0x90: Set}[op]
	if to.Kind != want && to.Kind != Object || want == Dict && len(items)%2 != 0 {
		return errNotThat
	}
	to.Items = append(to.Items, items...)
	return nil
}

// note keeps values under numbers and finds them again.
func (m *machine) note(op byte) (bool, error) {
	var n uint64
	var err error
	switch op {
	case 'p', 'g':
		var text string
		if text, err = m.line(); err == nil {
			n, err = strconv.ParseUint(text, 10, 32)
		}
	case 'q', 'h':
		n, err = m.number(1)
	case 'r', 'j':
		n, err = m.number(4)
	case 0x94: // MEMOIZE
		n = uint64(len(m.memo))
	default:
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if op == 'g' || op == 'h' || op == 'j' {
		v, known := m.memo[n]
		if !known {
			return true, errors.New("no such note")
		}
		m.push(v)
		return true, nil
	}
	v, err := m.top()
	if err == nil {
		m.memo[n] = v
	}
	return true, err
}

// object describes what would be looked up and called. Nothing is.
func (m *machine) object(op byte) (bool, error) {
	switch op {
	case 'c', 'i': // GLOBAL, INST
		module, err := m.line()
		if err != nil {
			return true, err
		}
		name, err := m.line()
		if err != nil {
			return true, err
		}
		found := named(module, name)
		if op == 'c' {
			m.push(found)
			return true, nil
		}
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		return true, m.made(found, &Value{Kind: Tuple, Items: items})
	case 0x93: // STACK_GLOBAL
		names, err := m.popN(2)
		if err != nil {
			return true, err
		}
		if names[0].Kind != Str || names[1].Kind != Str {
			return true, errNotThat
		}
		m.push(named(names[0].Text, names[1].Text))
	case 'R', 0x81, 0x92: // REDUCE, NEWOBJ, NEWOBJ_EX
		return true, m.call(op)
	case 'o': // OBJ
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		if len(items) == 0 {
			return true, errNotThat
		}
		return true, m.made(items[0], &Value{Kind: Tuple, Items: items[1:]})
	case 'b': // BUILD
		state, err := m.pop()
		if err != nil {
			return true, err
		}
		to, err := m.top()
		if err != nil {
			return true, err
		}
		if to.Kind != Object {
			return true, errNotThat
		}
		to.Items = append(to.Items, state)
	default:
		return false, nil
	}
	return true, nil
}

func (m *machine) call(op byte) error {
	n := 2
	if op == 0x92 {
		n = 3
	}
	parts, err := m.popN(n)
	if err != nil {
		return err
	}
	if parts[1].Kind != Tuple {
		return errNotThat
	}
	if n == 3 {
		m.push(&Value{Kind: Object, Class: parts[0].Type(), Items: parts[1:]})
		return nil
	}
	return m.made(parts[0], parts[1])
}

// named is a class or function by its name. Python 2 had other names for a few modules.
func named(module, name string) *Value {
	switch module {
	case "__builtin__", "builtins":
		return &Value{Kind: global, Class: name}
	case "copy_reg":
		module = "copyreg"
	}
	return &Value{Kind: global, Class: module + "." + name}
}

// made pushes what calling something would have made: a plain value where the call is only the way to write one,
// and otherwise an object. The arguments may be shared: they are not copied without counting it.
func (m *machine) made(what, arguments *Value) error {
	class := what.Class
	if what.Kind != global { // the result of a call is called
		class = "a call of " + what.Type()
	}
	plain, err := m.plain(class, arguments.Items)
	if err != nil {
		return err
	}
	if plain == nil {
		plain = &Value{Kind: Object, Class: class, Items: []*Value{arguments}}
	}
	m.push(plain)
	return nil
}

// plain is the value that a call writes; nil if it is an object.
func (m *machine) plain(class string, arguments []*Value) (*Value, error) {
	var first Value
	if len(arguments) > 0 {
		first = *arguments[0]
	}
	switch {
	case (class == "set" || class == "frozenset") && (len(arguments) == 0 || first.Kind == List || first.Kind == Tuple):
		v := &Value{Kind: Set, Items: append([]*Value(nil), first.Items...)}
		if class == "frozenset" {
			v.Class = class
		}
		return v, m.copying(len(first.Items))
	case class == "bytes" && len(arguments) == 0:
		return &Value{Kind: Bytes}, nil
	case class == "bytearray" && (len(arguments) == 0 || first.Kind == Bytes):
		return &Value{Kind: Bytes, Class: class, Text: first.Text}, nil
	case class == "_codecs.encode" && len(arguments) == 2 && first.Kind == Str && arguments[1].Text == "latin1":
		// How protocols before 3 write bytes: each is the character of its number.
		if err := m.copying(len(first.Text)); err != nil {
			return nil, err
		}
		return &Value{Kind: Bytes, Text: latin1(first.Text)}, nil
	case class == "getattr" && len(arguments) == 2 && first.Kind == global && arguments[1].Kind == Str: // a method of a class
		return &Value{Kind: global, Class: first.Class + "." + arguments[1].Text}, m.copying(len(first.Class) + len(arguments[1].Text))
	case class == "bytearray":
		return bytesOf(class, arguments), nil
	case class == "copyreg._reconstructor" && len(arguments) == 3 && first.Kind == global: // class, base, its value
		return &Value{Kind: Object, Class: first.Class, Items: arguments[2:3:3]}, nil
	case class == "zoneinfo.ZoneInfo._unpickle" && len(arguments) <= 2:
		return &Value{Kind: Object, Class: "zoneinfo.ZoneInfo", Items: append([]*Value(nil), arguments...)}, nil
	}
	return nil, nil
}

// bytesOf is bytearray(text, "latin-1"), as protocols before 3 write it; nil for anything else.
func bytesOf(class string, arguments []*Value) *Value {
	if len(arguments) == 2 && arguments[0].Kind == Str && arguments[1].Text == "latin-1" {
		return &Value{Kind: Bytes, Class: class, Text: arguments[0].Text}
	}
	return nil
}

func latin1(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
	}
	return b.String()
}
