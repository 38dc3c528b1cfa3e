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

// NewLogger writes to w what is at least as important as level, as text for people or as json for
// machines. A [slog.LevelVar] as level can be turned while the logger is in use.
func NewLogger(w io.Writer, level slog.Leveler, format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: hide}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text", "":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format %q is not text or json", format)
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
