package registry

import (
	"bytes"
	"encoding/json"
)

// maxNesting is how deep objects are united; below it the user's stays.
const maxNesting = 8

// union adds to the user's array the guest's elements that it does not have, and to the user's object the
// guest's members that it does not have; members that both have are united where they are arrays or
// objects themselves, and the user's otherwise. Values stay byte for byte, so that 1.0 stays 1.0. What would
// make the result larger than room is left out and counted. Not ok: the two have no union.
func union(user, guest json.RawMessage, room int) (out json.RawMessage, dropped int, ok bool) {
	kind := TypeOf(user)
	if kind != TypeOf(guest) || kind != Array && kind != Object {
		return nil, 0, false
	}
	out, dropped, err := unite(bytes.TrimSpace(user), bytes.TrimSpace(guest), room, maxNesting)
	if err != nil {
		return nil, 0, false
	}
	return out, dropped, true
}

func unite(user, guest json.RawMessage, room, depth int) (json.RawMessage, int, error) {
	if TypeOf(user) == Array {
		return uniteArrays(user, guest, room)
	}
	return uniteObjects(user, guest, room, depth)
}

func uniteArrays(user, guest json.RawMessage, room int) (json.RawMessage, int, error) {
	var mine, theirs []json.RawMessage
	if err := json.Unmarshal(user, &mine); err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(guest, &theirs); err != nil {
		return nil, 0, err
	}
	known := map[string]bool{}
	for _, v := range mine {
		known[canonical(v)] = true
	}
	out := make(json.RawMessage, 0, len(user)+len(guest))
	out = append(out, bytes.TrimRight(user[:len(user)-1], " \t\r\n")...)
	dropped, had := 0, len(mine)
	for _, v := range theirs {
		c := canonical(v)
		if known[c] {
			continue
		}
		known[c] = true
		if len(out)+min(had, 1)+len(v)+1 > room {
			dropped++
			continue
		}
		if had > 0 {
			out = append(out, ',')
		}
		out, had = append(out, v...), had+1
	}
	return append(out, ']'), dropped, nil
}

// canonical is a text that two JSON values have in common if they are equal but for white space, the order
// of members and the way that texts are escaped. Numbers are equal if they are written alike.
func canonical(v json.RawMessage) string {
	if kind := TypeOf(v); kind != Array && kind != Object {
		if bytes.IndexByte(v, '\\') < 0 {
			return string(v)
		}
		var text string
		if json.Unmarshal(v, &text) == nil {
			return `"` + text + `"`
		}
	}
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var any any
	if d.Decode(&any) != nil {
		return string(v)
	}
	out, err := json.Marshal(any)
	if err != nil {
		return string(v)
	}
	return string(out)
}

type member struct {
	key   string
	text  []byte // name and colon as they are written
	value json.RawMessage
}

// members lists an object's members in their order; of a name that comes twice the last counts, as
// everywhere.
func members(object json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var out []member
	at := map[string]int{}
	for d.More() {
		from := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{text: append(bytes.Clone(bytes.TrimLeft(object[from:d.InputOffset()], ", \t\r\n")), ':')}
		m.key, _ = name.(string)
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		if i, twice := at[m.key]; twice {
			out[i].value = m.value
			continue
		}
		at[m.key] = len(out)
		out = append(out, m)
	}
	return out, nil
}

func uniteObjects(user, guest json.RawMessage, room, depth int) (json.RawMessage, int, error) {
	mine, err := members(user)
	if err != nil {
		return nil, 0, err
	}
	theirs, err := members(guest)
	if err != nil {
		return nil, 0, err
	}
	at, size := map[string]int{}, 1 // brackets and commas: one more than members
	for i, m := range mine {
		at[m.key] = i
		size += m.size() + 1
	}
	changed, dropped := false, 0
	for _, g := range theirs {
		i, both := at[g.key]
		if !both {
			if size+g.size()+1 > room {
				dropped++
				continue
			}
			at[g.key], size, changed = len(mine), size+g.size()+1, true
			mine = append(mine, g)
			continue
		}
		u := mine[i].value
		if kind := TypeOf(u); depth == 0 || kind != TypeOf(g.value) || kind != Array && kind != Object {
			continue
		}
		joined, lost, err := unite(u, g.value, room-(size-len(u)), depth-1)
		if err != nil {
			return nil, 0, err
		}
		dropped += lost
		mine[i].value, size, changed = joined, size+len(joined)-len(u), true
	}
	if !changed {
		return user, dropped, nil
	}
	return write(mine, size), dropped, nil
}

func (m member) size() int { return len(m.text) + len(m.value) }

func write(all []member, size int) json.RawMessage {
	out := make(json.RawMessage, 0, size+1)
	out = append(out, '{')
	for i, m := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, m.text...), m.value...)
	}
	return append(out, '}')
}
