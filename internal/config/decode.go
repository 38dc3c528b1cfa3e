package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"crossfade.dev/crossfade/internal/fault"
)

// decoder turns the YAML tree into the configuration. It is our own because the library's stops at the
// first mistake and forgets where values stood; here all mistakes are found in one run, and validation
// can point at the line of a value that only contradicts another one.
type decoder struct {
	at       map[string]position // where each path stands in the file
	problems Problems
}

// maxDepth of nested lists and maps. The format needs six; the parser recurses.
const maxDepth = 32

func (d *decoder) add(path string, at position, format string, args ...any) *Problem {
	d.problems = append(d.problems, Problem{
		Path: path, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...),
	})
	return &d.problems[len(d.problems)-1]
}

// document parses text into c, over the defaults.
func (d *decoder) document(text []byte, c *Config) {
	setDefaults(reflect.ValueOf(c).Elem())
	if at, binary := notText(text); binary {
		d.add("", at, "is not text").Hint = `name the YAML file that "crossfade init" wrote; it is plain UTF-8`
		return
	}
	if at, deep := tooDeep(text); deep {
		d.add("", at, "lists and maps are nested more than %d deep", maxDepth)
		return
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.NullType && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		d.add("", position{}, "is empty").Hint = `take the file away, and "crossfade init" writes a starter`
	case 1:
		d.value("", bodies[0], reflect.ValueOf(c).Elem())
	default:
		d.add("", place(bodies[1]), "holds more than one YAML document")
	}
}

// tooDeep looks at brackets and indentation alone, before the recursive parser does.
func tooDeep(text []byte) (position, bool) {
	depth, line, column := 0, 1, 0
	inIndent, dashes := true, 0
	for _, b := range text {
		column++
		switch b {
		case '\n':
			line, column, inIndent, dashes = line+1, 0, true, 0
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case '-', '?':
			if inIndent {
				dashes++
			}
		case ' ':
		default:
			inIndent = false
		}
		if depth > maxDepth || dashes > maxDepth || inIndent && column > 1024 {
			return position{line, column}, true
		}
	}
	return position{}, false
}

func place(n ast.Node) position {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return position{}
	}
	p := n.GetToken().Position
	return position{p.Line, p.Column}
}

// value decodes node, which stands at path, into dst.
func (d *decoder) value(path string, node ast.Node, dst reflect.Value) {
	if _, known := d.at[path]; !known {
		d.at[path] = place(node)
	}
	switch n := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.add(path, place(node), "anchors, aliases and tags are not supported").Hint = "write the value out"
		return
	case *ast.NullNode:
		return // "url:" with nothing behind it: as if it were not there
	case *ast.MappingValueNode: // a map of one entry, in older forms of the tree
		node = &ast.MappingNode{BaseNode: n.BaseNode, Start: n.Start, Values: []*ast.MappingValueNode{n}}
	}
	if dst.Kind() == reflect.Pointer { // what may be left unsaid
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	if _, scalar := node.(ast.ScalarNode); scalar && d.text(path, node, dst) {
		return
	}
	switch dst.Kind() {
	case reflect.Struct:
		d.structure(path, node, dst)
	case reflect.Map:
		d.mapping(path, node, dst)
	case reflect.Slice:
		d.sequence(path, node, dst)
	default:
		d.scalar(path, node, dst)
	}
}

// text decodes a scalar into a type that reads itself, and reports whether dst is one.
func (d *decoder) text(path string, node ast.Node, dst reflect.Value) bool {
	u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok {
		return false
	}
	if err := u.UnmarshalText([]byte(raw(node))); err != nil {
		message, hint := fault.Public(err)
		d.add(path, place(node), "%s", message).Hint = hint
	}
	return true
}

// raw is a scalar as it was written, without quotes.
func raw(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return node.GetToken().Value
}

func (d *decoder) structure(path string, node ast.Node, dst reflect.Value) {
	fields := fieldsOf(dst)
	d.entries(path, node, func(key string, at position, value ast.Node) {
		field, ok := fields[key]
		if !ok {
			d.unknown(join(path, key), key, at, fields)
			return
		}
		d.value(join(path, key), value, field)
	})
}

func (d *decoder) mapping(path string, node ast.Node, dst reflect.Value) {
	out := reflect.MakeMap(dst.Type())
	d.entries(path, node, func(key string, _ position, value ast.Node) {
		item := reflect.New(dst.Type().Elem()).Elem()
		setDefaults(item)
		d.value(join(path, key), value, item)
		out.SetMapIndex(reflect.ValueOf(key), item)
	})
	dst.Set(out)
}

// entries walks a map, and refuses what is none, keys that are no plain text, and keys given twice.
func (d *decoder) entries(path string, node ast.Node, each func(key string, at position, value ast.Node)) {
	m, ok := node.(*ast.MappingNode)
	if !ok {
		p := d.add(path, place(node), "must be a map of names to values")
		if _, scalar := node.(ast.ScalarNode); scalar && secretive[last(path)] {
			p.Hint = secretHint
		}
		return
	}
	seen := map[string]bool{}
	for _, entry := range m.Values {
		at := place(entry.Key)
		name, scalar := entry.Key.(ast.ScalarNode)
		_, merge := entry.Key.(*ast.MergeKeyNode)
		if !scalar || merge {
			d.add(path, at, "a key must be a plain name").Hint = "merge keys (<<) and complex keys are not supported"
			continue
		}
		key := raw(name)
		if seen[key] {
			d.add(path, at, "%q is given twice", key).Hint = fmt.Sprintf("keep one of them; the first is on line %d", d.at[join(path, key)].line)
			continue
		}
		seen[key] = true
		d.at[join(path, key)] = at
		each(key, at, entry.Value)
	}
}

func (d *decoder) sequence(path string, node ast.Node, dst reflect.Value) {
	n, ok := node.(*ast.SequenceNode)
	if !ok {
		d.add(path, place(node), "must be a list").Hint = `begin each entry with "- ", or write [one, two]`
		return
	}
	out := reflect.MakeSlice(dst.Type(), len(n.Values), len(n.Values))
	for i, value := range n.Values {
		setDefaults(out.Index(i))
		d.value(fmt.Sprintf("%s[%d]", path, i), value, out.Index(i))
	}
	dst.Set(out)
}

func (d *decoder) scalar(path string, node ast.Node, dst reflect.Value) {
	if _, ok := node.(ast.ScalarNode); !ok {
		d.add(path, place(node), "must be one value, not a list or map")
		return
	}
	switch dst.Kind() {
	case reflect.String:
		if _, ok := node.(*ast.BoolNode); ok {
			d.add(path, place(node), "must be text").Hint = "put it in quotes"
			return
		}
		dst.SetString(raw(node))
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			d.add(path, place(node), "must be true or false")
			return
		}
		dst.SetBool(b.Value)
	case reflect.Int:
		n, err := strconv.Atoi(raw(node))
		if err != nil {
			d.add(path, place(node), "must be a whole number")
			return
		}
		dst.SetInt(int64(n))
	default:
		panic("config: no way to decode " + dst.Type().String()) // a field of a new type: a mistake in here
	}
}

// secretive are names that smell of a secret.
var secretive = map[string]bool{"secret": true, "token": true, "value": true, "password": true, "key": true, "inline": true,
	"dsn": true, "watch_dsn": true}

const secretHint = "no secret stands in this file: put it into a file of its own and write file: <path>, " +
	"or into the environment and write env: <NAME>"

// unknown says which name was probably meant. A name that smells of a secret gets another answer, and
// its value is never repeated.
func (d *decoder) unknown(path, key string, at position, fields map[string]reflect.Value) {
	p := d.add(path, at, "unknown key")
	known := make([]string, 0, len(fields))
	for name := range fields {
		known = append(known, name)
	}
	if best := nearest(key, known); best != "" {
		p.Hint = suggest(key, known)
	} else if secretive[key] {
		p.Hint = secretHint
	} else {
		p.Hint = suggest(key, sorted(known))
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
