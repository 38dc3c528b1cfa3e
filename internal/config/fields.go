package config

import (
	"reflect"
	"slices"
)

// fieldsOf are the fields of a section by their names in the file. What an embedded struct has, the
// section has.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			for name, field := range fieldsOf(v.Field(i)) {
				out[name] = field
			}
		} else if name := f.Tag.Get("yaml"); name != "" {
			out[name] = v.Field(i)
		}
	}
	return out
}

// setDefaults fills v as an empty section of its type stands for, innermost first.
func setDefaults(v reflect.Value) {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				setDefaults(v.Field(i))
			}
		}
	}
	if d, ok := v.Addr().Interface().(interface{ defaults() }); ok {
		d.defaults()
	}
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
