// Package python reads values as Python writes them, pickles and JSON, without Python and without ever
// carrying out what a pickle asks for.
//
// Invariant: reading names things and calls nothing. A pickle is a program for a small machine; here its
// instructions build a description, and an object is its class's name with what it was made from. Depth, size and
// number of instructions are bounded. What reads legacy session stores calls it.
package python

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind tells what a value is.
type Kind uint8

// The kinds. Object is everything that is made by calling something, known or not.
const (
	None Kind = iota + 1
	Bool
	Int
	Float
	Str
	Bytes
	List
	Tuple
	Dict
	Set
	Object
	global // a name that was looked up; inside the reader, or where a value is a class or a function itself
)

// Value is one Python value. Values may be shared and may contain themselves, as in Python.
type Value struct {
	Kind Kind
	// Text is a str in UTF-8 (a lone surrogate in the three bytes that UTF-8 forbids), the bytes of a bytes, the digits
	// of an int, the text of a float, True or False.
	Text string
	// Items are the elements of a list, tuple or set, the keys and values of a dict in turn, and of an object what it was
	// made from.
	Items []*Value
	// Class is an object's class as module.name; of a built-in kind its name, where that is a variant (bytearray,
	// frozenset).
	Class string
}

// Type is the name of the value's type as Python would print it, without the module of built-in ones.
func (v *Value) Type() string {
	if v.Class != "" {
		return v.Class
	}
	return map[Kind]string{None: "NoneType", Bool: "bool", Int: "int", Float: "float", Str: "str", Bytes: "bytes",
		List: "list", Tuple: "tuple", Dict: "dict", Set: "set"}[v.Kind]
}

// Get is the value under a text key of a dict; nil if there is none, or v is no dict. Of several, the last.
func (v *Value) Get(key string) *Value {
	var found *Value
	if v != nil && v.Kind == Dict {
		for i := 0; i+1 < len(v.Items); i += 2 {
			if k := v.Items[i]; k.Kind == Str && k.Text == key {
				found = v.Items[i+1]
			}
		}
	}
	return found
}

// Number is the value of an int or float.
func (v *Value) Number() (float64, bool) {
	if v == nil || v.Kind != Int && v.Kind != Float {
		return 0, false
	}
	n, err := strconv.ParseFloat(v.Text, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// maxDepth is how deep a value may nest and still cross: the limit of the client package.
const maxDepth = 100

// maxVisits bounds looking at a value, in values and blocks of text: a few instructions can describe one of any
// apparent size.
const (
	maxVisits = 1 << 20
	block     = 64
)

// Shape is what may be told about a value without telling the value.
type Shape struct {
	Type string // of the value itself
	// JSON holds if the value comes back from JSON exactly as it was: then it can cross. Odd is otherwise the first type
	// inside, possibly the value's own, that does not.
	JSON bool
	Odd  string
	// Opaque is the first class inside that is known only by its name; empty: all can be read.
	Opaque string
	// Size is the length of the value as compact JSON, in bytes; where it is none, of what it is made from.
	Size int
}

// ShapeOf looks at a value.
func ShapeOf(v *Value) Shape {
	visits := maxVisits
	return shapeOf(v, &visits)
}

// KeyShape is the shape of one value of a dict.
type KeyShape struct {
	Key *Value // usually a Str
	Shape
}

// ShapesOf looks at the values of a dict, one by one; nil if v is none. Of equal text keys the last one counts.
func ShapesOf(v *Value) []KeyShape {
	if v == nil || v.Kind != Dict {
		return nil
	}
	visits := maxVisits
	at := map[string]int{}
	var out []KeyShape
	for i := 0; i+1 < len(v.Items); i += 2 {
		one := KeyShape{Key: v.Items[i], Shape: shapeOf(v.Items[i+1], &visits)}
		if one.Key.Kind == Str {
			if before, twice := at[one.Key.Text]; twice {
				out[before] = one
				continue
			}
			at[one.Key.Text] = len(out)
		}
		out = append(out, one)
	}
	return out
}

func shapeOf(v *Value, visits *int) Shape {
	w := walker{visits: visits}
	size := w.walk(v, 0)
	return Shape{Type: v.Type(), JSON: w.odd == "", Odd: w.odd, Opaque: w.opaque, Size: size}
}

type walker struct {
	visits      *int
	odd, opaque string
}

func (w *walker) strange(what string) {
	if w.odd == "" {
		w.odd = what
	}
}

// walk returns the size and notes what is strange.
func (w *walker) walk(v *Value, depth int) int {
	if *w.visits -= 1 + len(v.Text)/block; *w.visits < 0 || depth > maxDepth {
		w.strange(v.Type() + " nested over " + strconv.Itoa(maxDepth) + " deep, or endless")
		return 0
	}
	switch v.Kind {
	case None:
		return len("null")
	case Bool, Int:
		return len(v.Text)
	case Float:
		if _, finite := v.Number(); !finite {
			name := strings.NewReplacer("+", "", "inity", "").Replace(strings.ToLower(v.Text))
			w.strange("float " + name)
		}
		return len(v.Text)
	case Str:
		if !utf8.ValidString(v.Text) {
			w.strange("str with a lone surrogate")
		}
		return textSize(v.Text)
	case Bytes:
		w.strange(v.Type())
		return len(v.Text)
	case global:
		w.strange(v.Class)
		w.hidden(v.Class)
		return len(v.Class)
	case Dict:
		return w.dict(v, depth)
	case Object:
		w.strange(v.Class)
		if !Known(v.Class) {
			w.hidden(v.Class)
		}
	case Tuple, Set:
		w.strange(v.Type())
	}
	size := 2 + max(0, len(v.Items)-1)
	for _, item := range v.Items {
		size += w.walk(item, depth+1)
	}
	return size
}

func (w *walker) dict(v *Value, depth int) int {
	size := 2 + max(0, len(v.Items)-1) // a colon or a comma between any two
	for i, item := range v.Items {
		if i%2 == 0 && item.Kind != Str {
			w.strange("dict with a " + item.Type() + " key")
		}
		size += w.walk(item, depth+1)
	}
	return size
}

func (w *walker) hidden(class string) {
	if w.opaque == "" {
		w.opaque = class
	}
}

// textSize is the length of a text in JSON.
func textSize(s string) int {
	size := len(s) + 2
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f':
			size++
		case c < ' ':
			size += len(`\u0000`) - 1
		}
	}
	return size
}

// Known reports whether a class is one whose values can be read from their description alone, without its code.
func Known(class string) bool {
	switch class {
	case "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone",
		"zoneinfo.ZoneInfo", "decimal.Decimal", "uuid.UUID", "uuid.SafeUUID", "collections.OrderedDict", "complex",
		"django.utils.safestring.SafeString":
		return true
	}
	return false
}
