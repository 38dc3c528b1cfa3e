package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// redacted is what stands in the place of a secret.
const redacted = "[redacted]"

// Secret is text that must not be seen. However it is printed, logged or encoded, it says so instead.
type Secret string

// LogValue hides the text from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// String hides the text.
func (Secret) String() string { return redacted }

// Format hides the text from every verb of package fmt, %#v and %x among them.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the text from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// NewLogger writes to w, as text for people or as json for machines. Levels are debug, info, warn and
// error; an empty level is info.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var least slog.Level
	if level != "" {
		if err := least.UnmarshalText([]byte(level)); err != nil {
			return nil, fmt.Errorf("log level %q: %w", level, err)
		}
	}
	options := &slog.HandlerOptions{Level: least, ReplaceAttr: hide}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// hide is the second net: whatever is logged under a name that only secrets have is taken out, even when
// its author forgot to say that it is one.
func hide(_ []string, a slog.Attr) slog.Attr {
	switch strings.ToLower(a.Key) {
	case "cookie", "cookies", "set-cookie", "set_cookie", "authorization", "token", "secret", "password",
		"handoff", "ticket", "context_token":
		return slog.String(a.Key, redacted)
	}
	return a
}
