package config

import (
	"embed"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// sources are the sections of this package. The paragraphs that people read are the comments in here, so
// that the manual cannot say anything else than the code's own documentation.
//
//go:embed config.go public.go internal.go data.go secrets.go upstreams.go legacy.go routes.go access.go
//go:embed session.go attributes.go store.go redis.go handover.go cookies.go clients.go admin.go rollout.go log.go
var sources embed.FS

// Topic is what there is to say about one path of the configuration.
type Topic struct {
	Path    string // "legacy.bridge.timeout"; entries of lists and maps are "<name>" or "[]"
	Kind    string // "duration", "list of text", …; "section" when there are fields below it
	Default string // empty: none
	Doc     string // paragraphs
	Fields  []Topic
}

// Explain describes the field at path, or the whole file when path is empty. Positions in lists and
// names in maps may be there or left out: "routes[2].new", "routes.new", "upstreams.django.url".
func Explain(path string) (Topic, error) {
	root, err := topics()
	if err != nil {
		return Topic{}, err
	}
	at, walked := root, ""
	for _, name := range steps(path) {
		next, ok := at.child(name)
		if !ok && at.entries() && len(at.Fields) > 0 {
			walked = join(walked, name) // the name of an entry in a map
			continue
		}
		if !ok {
			var known []string
			for _, f := range at.Fields {
				known = append(known, last(f.Path))
			}
			e := fault.New(fault.NotFound, "the configuration has no %q", join(walked, name))
			if len(known) == 0 {
				return Topic{}, e.WithHint("%s is a value and has nothing below it", walked)
			}
			if best := nearest(name, known); best != "" {
				return Topic{}, e.WithHint("did you mean %q?", join(walked, best))
			}
			if elsewhere := root.named(name); elsewhere != "" {
				return Topic{}, e.WithHint("did you mean %q?", elsewhere)
			}
			return Topic{}, e.WithHint("%s", suggest(name, known))
		}
		at, walked = next, join(walked, name)
	}
	return at, nil
}

func (t Topic) entries() bool { return strings.HasPrefix(t.Kind, "map") }

func (t Topic) child(name string) (Topic, bool) {
	for _, f := range t.Fields {
		if last(f.Path) == name {
			return f, true
		}
	}
	return Topic{}, false
}

// named is the path of the first field below t that has this name, as people type it; empty if none has.
func (t Topic) named(name string) string {
	for _, f := range t.Fields {
		if last(f.Path) == name {
			return strings.ReplaceAll(f.Path, "[]", "")
		}
		if path := f.named(name); path != "" {
			return path
		}
	}
	return ""
}

func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func steps(path string) []string {
	var out []string
	for _, s := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		name, _, _ := strings.Cut(s, "[")
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// topics is the whole tree.
func topics() (Topic, error) {
	m := manual{}
	if err := m.read(); err != nil {
		return Topic{}, err
	}
	v := reflect.New(reflect.TypeFor[Config]()).Elem()
	setDefaults(v)
	return Topic{
		Kind:   "section",
		Doc:    "One YAML file with what a process needs at start. Unknown keys are errors. Relative paths count from the folder of the file.",
		Fields: m.fields("", v),
	}, nil
}

// manual is the documentation by type name and field name.
type manual map[string]map[string]string

func (m manual) read() error {
	files, err := sources.ReadDir(".")
	if err != nil {
		return fmt.Errorf("read the embedded sources: %w", err)
	}
	for _, f := range files {
		text, err := sources.ReadFile(f.Name())
		if err != nil {
			return fmt.Errorf("read the embedded source: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), text, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse the embedded source: %w", err)
		}
		ast.Inspect(file, m.visit)
	}
	return nil
}

func (m manual) visit(n ast.Node) bool {
	spec, ok := n.(*ast.TypeSpec)
	if !ok {
		return true
	}
	body, ok := spec.Type.(*ast.StructType)
	if !ok {
		return false
	}
	docs := map[string]string{}
	for _, f := range body.Fields.List {
		for _, name := range f.Names {
			docs[name.Name] = plain(f.Doc.Text())
		}
	}
	m[spec.Name.Name] = docs
	return false
}

// plain is a comment as paragraphs of one line each.
func plain(text string) string {
	var p comment.Parser
	pr := comment.Printer{TextWidth: -1}
	return strings.TrimSpace(string(pr.Text(p.Parse(text))))
}

func (m manual) fields(path string, v reflect.Value) []Topic {
	var out []Topic
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			out = append(out, m.fields(path, v.Field(i))...)
			continue
		}
		name := f.Tag.Get("yaml")
		if name == "" {
			continue
		}
		out = append(out, m.topic(join(path, name), m[v.Type().Name()][f.Name], v.Field(i)))
	}
	return out
}

func (m manual) topic(path, doc string, v reflect.Value) Topic {
	t := Topic{Path: path, Kind: kindOf(v.Type()), Doc: doc, Default: defaultOf(v)}
	switch entry := v.Type(); entry.Kind() {
	case reflect.Struct:
		if t.Kind == "section" {
			t.Fields = m.fields(path, v)
		}
	case reflect.Map, reflect.Slice:
		if entry.Elem().Kind() == reflect.Struct {
			below := path + "[]"
			if entry.Kind() == reflect.Map {
				below = path + ".<name>"
			}
			item := reflect.New(entry.Elem()).Elem()
			setDefaults(item)
			t.Fields = m.fields(below, item)
		}
	}
	return t
}

func kindOf(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return kindOf(t.Elem())
	}
	if k, ok := reflect.Zero(t).Interface().(interface{ kind() string }); ok {
		return k.kind()
	}
	switch t.Kind() {
	case reflect.Struct:
		return "section"
	case reflect.Slice:
		return "list of " + plural(kindOf(t.Elem()))
	case reflect.Map:
		return "map from names to " + plural(kindOf(t.Elem()))
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	}
	return "text"
}

func plural(kind string) string {
	if kind == "section" {
		return "sections"
	}
	return kind
}

func defaultOf(v reflect.Value) string {
	if v.IsZero() || v.Kind() == reflect.Struct || v.Kind() == reflect.Map {
		if v.Kind() == reflect.Bool {
			return "false"
		}
		return ""
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	var parts []string
	for i := range v.Len() {
		e := v.Index(i)
		if s, ok := e.Interface().(Stage); ok {
			parts = append(parts, s.Share.String())
			continue
		}
		parts = append(parts, fmt.Sprint(e.Interface()))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
