package rpcfault

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"crossfade.dev/crossfade/internal/fault"
)

// StrictJSON has a handler refuse JSON requests with a field that it does not know. Connect leaves such a
// field out, so that a slip of the pen ("rehersal" in a kill) would make a request another, wider one. It
// is for servers alone: a client goes on reading the answers of a newer server.
func StrictJSON() connect.HandlerOption {
	// Both names under which Connect looks for its own codec.
	return connect.WithHandlerOptions(
		connect.WithCodec(strictJSON{"json"}), connect.WithCodec(strictJSON{"json; charset=utf-8"}))
}

// strictJSON is a [connect.Codec].
type strictJSON struct{ name string }

// Name is the content type's end.
func (s strictJSON) Name() string { return s.name }

// Marshal writes an answer as Connect's own codec does.
func (strictJSON) Marshal(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", message)
	}
	return protojson.Marshal(m)
}

// Unmarshal reads a request. Connect shows the error to the caller, who gets no other hint: the message
// says what was meant.
func (strictJSON) Unmarshal(body []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", message)
	}
	if len(body) == 0 {
		return errors.New("the body is empty: send {} at least")
	}
	err := protojson.Unmarshal(body, m)
	if err == nil {
		return nil
	}
	// protojson varies its texts on purpose and knows no near names.
	if at, name, in := unknownField(body, m.ProtoReflect().Descriptor()); in != nil {
		return fmt.Errorf("unknown field %.64q: %s", at+name, meant(name, in))
	}
	return err
}

// unknownField finds the first field, by name, that a message has no place for: its name, the path of
// what it stands in with a dot behind, and the message that does not know it; nil if there is none.
func unknownField(body []byte, in protoreflect.MessageDescriptor) (at, name string, unknowing protoreflect.MessageDescriptor) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return "", "", nil
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := in.Fields().ByJSONName(name)
		if field == nil {
			field = in.Fields().ByTextName(name)
		}
		if field == nil {
			return "", name, in
		}
		inner := messages(fields[name], field)
		for _, step := range slices.Sorted(maps.Keys(inner)) {
			if at, inner, unknowing := unknownField(inner[step], valueOf(field).Message()); unknowing != nil {
				return name + step + "." + at, inner, unknowing
			}
		}
	}
	return "", "", nil
}

func valueOf(f protoreflect.FieldDescriptor) protoreflect.FieldDescriptor {
	if f.IsMap() {
		return f.MapValue()
	}
	return f
}

// messages are the messages in a field's value, by their place in it: one, or those of a list or map.
func messages(value json.RawMessage, f protoreflect.FieldDescriptor) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	if valueOf(f).Message() == nil {
		return out
	}
	switch {
	case f.IsMap():
		var entries map[string]json.RawMessage
		_ = json.Unmarshal(value, &entries) // of another shape: protojson has said so
		for key, entry := range entries {
			out[fmt.Sprintf("[%q]", key)] = entry
		}
	case f.IsList():
		var items []json.RawMessage
		_ = json.Unmarshal(value, &items)
		for i, item := range items {
			out[fmt.Sprintf("[%d]", i)] = item
		}
	default:
		out[""] = value
	}
	return out
}

// meant is the nearest name that the message knows, or all of them.
func meant(name string, in protoreflect.MessageDescriptor) string {
	var names, both []string
	for i := range in.Fields().Len() {
		f := in.Fields().Get(i)
		names = append(names, f.JSONName())
		both = append(both, f.JSONName(), f.TextName())
	}
	switch near := fault.Nearest(name, both); {
	case near != "":
		return fmt.Sprintf("did you mean %q?", near)
	case len(names) == 0:
		return string(in.Name()) + " has no fields"
	}
	return string(in.Name()) + " has " + strings.Join(names, ", ")
}
