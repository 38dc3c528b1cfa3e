package web

import "encoding/json"

// keyMessages is where Django's message framework (its SessionStorage) keeps what the next page shall
// say: a string that holds JSON, [["__json_message", safe, level, text, tags?], …]. The storefront reads
// and writes the same, so that "Tonkotsu is in your cart" survives a handover between form and page.
const (
	keyMessages = "_messages"
	messageMark = "__json_message"
)

// Django's levels.
const (
	levelInfo    = 20
	levelSuccess = 25
	levelWarning = 30
	levelError   = 40
)

type message struct {
	Level int
	Text  string
}

func success(text string) message { return message{levelSuccess, text} }
func failure(text string) message { return message{levelError, text} }

// Tag is the CSS class.
func (m message) Tag() string {
	switch {
	case m.Level >= levelError:
		return "error"
	case m.Level >= levelWarning:
		return "warning"
	case m.Level >= levelSuccess:
		return "success"
	}
	return "info"
}

func (v *visit) messages() []message { return decodeMessages(value[string](v, keyMessages)) }

// decodeMessages skips what it does not understand.
func decodeMessages(text string) []message {
	var entries []json.RawMessage
	if json.Unmarshal([]byte(text), &entries) != nil {
		return nil
	}
	var out []message
	for _, entry := range entries {
		var fields []json.RawMessage
		var mark string
		var m message
		if json.Unmarshal(entry, &fields) != nil || len(fields) < 4 {
			continue
		}
		if json.Unmarshal(fields[0], &mark) != nil || mark != messageMark ||
			json.Unmarshal(fields[2], &m.Level) != nil || json.Unmarshal(fields[3], &m.Text) != nil {
			continue
		}
		out = append(out, m)
	}
	return out
}

// encodeMessages never marks a text as safe HTML.
func encodeMessages(messages []message) string {
	entries := make([][]any, len(messages))
	for i, m := range messages {
		entries[i] = []any{messageMark, 0, m.Level, m.Text, ""}
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return "[]" // strings and numbers: cannot happen
	}
	return string(text)
}
