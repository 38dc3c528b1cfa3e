package httpbridge

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

// The bodies of the protocol. Ids are 32 hex digits, times Unix seconds; absent or null is unknown.

type inspectRequest struct {
	Key string `json:"key"`
}

type exchangeRequest struct {
	Operation   string `json:"operation"`
	Key         string `json:"key"`
	Lineage     hexID  `json:"lineage"`
	Visitor     hexID  `json:"visitor"`
	Counterpart string `json:"counterpart,omitempty"`
}

// restoreRequest is followed by "data", which [withData] appends.
type restoreRequest struct {
	Operation  string         `json:"operation"`
	Purpose    legacy.Purpose `json:"purpose"`
	Key        string         `json:"key"`
	Lineage    hexID          `json:"lineage"`
	Generation uint32         `json:"generation"`
	Version    uint64         `json:"version,omitempty"`
	Kind       string         `json:"kind"`
	Subject    string         `json:"subject,omitempty"`
	AuthTime   seconds        `json:"auth_time,omitzero"`
	Born       uint64         `json:"born"`
	Visitor    hexID          `json:"visitor,omitzero"`
	Expires    seconds        `json:"expires"`
	Transient  bool           `json:"transient,omitempty"`
}

type endRequest struct {
	Operation string `json:"operation"`
	Lineage   hexID  `json:"lineage,omitzero"`
	Subject   string `json:"subject,omitempty"`
	Everybody bool   `json:"everybody,omitempty"`
	Before    uint64 `json:"before,omitempty"`
	Except    hexID  `json:"except,omitzero"`
	Reason    string `json:"reason"`
}

type viewAnswer struct {
	Found     *bool   `json:"found"` // absent: not the bridge's answer at all
	Moved     bool    `json:"moved"`
	Ended     bool    `json:"ended"`
	Kind      string  `json:"kind"`
	Subject   string  `json:"subject"`
	Lineage   hexID   `json:"lineage"`
	Visitor   hexID   `json:"visitor"`
	AuthTime  seconds `json:"auth_time"`
	Born      uint64  `json:"born"`
	Expires   seconds `json:"expires"`
	Transient bool    `json:"transient"`
}

type exchangeAnswer struct {
	viewAnswer
	Generation  uint32                     `json:"generation"`
	Idle        int64                      `json:"idle"`
	Data        map[string]json.RawMessage `json:"data"`
	LeftBehind  []leftBehind               `json:"left_behind"`
	Counterpart string                     `json:"counterpart"`
}

type leftBehind struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
	Type   string `json:"type"`
}

type restoreAnswer struct {
	Restored *bool  `json:"restored"`
	Ended    bool   `json:"ended"`
	Reason   string `json:"reason"`
}

type endAnswer struct {
	Ended       *int   `json:"ended"`
	Unsupported string `json:"unsupported"`
}

// hexID is an id of 16 bytes; zero is null or absent.
type hexID [16]byte

func (h hexID) MarshalJSON() ([]byte, error) {
	if h == (hexID{}) {
		return []byte("null"), nil
	}
	return fmt.Appendf(nil, "%q", hex.EncodeToString(h[:])), nil
}

func (h *hexID) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if len(data) != 34 || data[0] != '"' {
		return errors.New("want an id of 32 hex digits")
	}
	_, err := hex.Decode(h[:], data[1:33])
	return err
}

// seconds is a time in Unix seconds; zero is null or absent.
type seconds time.Time

func (s seconds) IsZero() bool { return time.Time(s).IsZero() }

func (s seconds) MarshalJSON() ([]byte, error) {
	if s.IsZero() {
		return []byte("null"), nil
	}
	return fmt.Append(nil, time.Time(s).Unix()), nil
}

func (s *seconds) UnmarshalJSON(data []byte) error {
	var at *int64
	if err := json.Unmarshal(data, &at); err != nil {
		return fmt.Errorf("want Unix seconds: %w", err)
	}
	if at != nil {
		*s = seconds(time.Unix(*at, 0))
	}
	return nil
}

// withData marshals envelope, an object with at least one field, and adds session data to it byte for
// byte. Marshalling the data as well would compact and escape it: equal for a JSON parser, but not for
// code that compares or signs what it stored.
func withData(envelope any, data map[string]json.RawMessage) ([]byte, error) {
	head, err := json.Marshal(envelope)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "write bridge call")
	}
	out := append(head[:len(head)-1], `,"data":{`...)
	for i, key := range slices.Sorted(maps.Keys(data)) {
		value := data[key]
		if !utf8.ValidString(key) || !utf8.Valid(value) || !json.Valid(value) {
			return nil, fault.New(fault.Invalid, "the value of session key %q is not JSON", key)
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "write session key %q", key)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, "}}"...), nil
}

func decode(body []byte, into any) error {
	if !utf8.Valid(body) {
		return errors.New("not UTF-8")
	}
	return json.Unmarshal(body, into)
}

// view checks that the answer makes sense: a session that is found and lives has a kind, and an
// authenticated one a subject.
func (a viewAnswer) view() (legacy.View, error) {
	if a.Found == nil {
		return legacy.View{}, errors.New(`no field "found"`)
	}
	v := legacy.View{
		Found: *a.Found, Moved: a.Moved, Ended: a.Ended, Subject: a.Subject,
		Lineage: session.Lineage(a.Lineage), Visitor: session.VisitorID(a.Visitor),
		AuthTime: time.Time(a.AuthTime), Born: session.Mark(a.Born), Expires: time.Time(a.Expires),
		Transient: a.Transient,
	}
	switch a.Kind {
	case "guest":
		v.Kind = session.Guest
	case "authenticated":
		v.Kind = session.Authenticated
	case "":
	default:
		return legacy.View{}, fmt.Errorf("kind %q", a.Kind)
	}
	switch {
	case !v.Found || v.Ended:
		return v, nil
	case v.Kind == 0:
		return legacy.View{}, errors.New("a session without a kind")
	case v.Kind == session.Authenticated && v.Subject == "":
		return legacy.View{}, errors.New("an authenticated session without a subject")
	case v.Kind == session.Guest && v.Subject != "":
		return legacy.View{}, errors.New("a guest session with a subject")
	}
	return v, nil
}
