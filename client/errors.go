package client

import (
	"errors"
	"fmt"

	"crossfade.dev/crossfade/internal/fault"
)

// The errors of sessions, for [errors.Is]. The text of what was returned says more, and what to do.
var (
	// ErrUnavailable: Crossfade did not answer. Whether a write was done is not known.
	ErrUnavailable = errors.New("crossfade: unavailable")
	// ErrNoSession: the visitor has none in the new system, so there is nothing to write to.
	ErrNoSession = errors.New("crossfade: no session")
	// ErrNotLive: the session ended or moved, or the request came with a cookie that has been replaced by
	// a login. Let the browser send the request again.
	ErrNotLive = errors.New("crossfade: session not live")
	// ErrConflict: a key that must not have changed has. Read again and decide anew; nothing was written.
	ErrConflict = errors.New("crossfade: conflict")
	// ErrLimit: too many keys, a key that is too long, or too much in all. Nothing was written.
	ErrLimit = errors.New("crossfade: limit exceeded")
	// ErrTooLate: the response has begun, so that the browser cannot get a new token any more.
	ErrTooLate = errors.New("crossfade: response has begun")
	// ErrRefused: this service may not do that, or its name or secret is wrong.
	ErrRefused = errors.New("crossfade: refused")
	// ErrContext: the request came without a context that was made for this service: not through the edge.
	ErrContext = errors.New("crossfade: no good context")
	// ErrInvalid: a key or value that no session can hold.
	ErrInvalid = errors.New("crossfade: invalid")
)

// translate puts the matching sentinel in front of what the API said. The fault stays in the chain.
func translate(err error) error {
	if err == nil {
		return nil
	}
	kind := ErrUnavailable
	switch fault.CodeOf(err) {
	case fault.NotFound, fault.Precondition:
		kind = ErrNotLive
	case fault.Conflict:
		kind = ErrConflict
	case fault.Exhausted:
		kind = ErrLimit
	case fault.Denied, fault.Unauthenticated:
		kind = ErrRefused
	case fault.Invalid:
		kind = ErrInvalid
	}
	return withHint(kind, err)
}

func withHint(kind, err error) error {
	if _, hint := fault.Public(err); hint != "" {
		return fmt.Errorf("%w: %w; %s", kind, err, hint)
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func errorf(format string, args ...any) error {
	return fmt.Errorf("crossfade client: "+format, args...)
}

func translated(kind error, what string) error { return fmt.Errorf("%w: %s", kind, what) }

func translatedf(kind error, format string, args ...any) error {
	return translated(kind, fmt.Sprintf(format, args...))
}
