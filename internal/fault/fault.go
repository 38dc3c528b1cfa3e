// Package fault is the one error type that crosses a boundary: a code for programs, a message and a
// hint for people, and the cause for the log.
//
// Invariant: what [Error.Message] and [Error.Hint] say may be shown to the caller; the wrapped cause
// may not, and no boundary prints it. Every plane makes these errors; each boundary (command line,
// API, edge page) translates them once.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Code classifies an error for programs. The names follow the Connect and gRPC codes, so that the
// translation at the API boundary is one to one.
type Code string

// The codes in use. An error of any other type is [Internal].
const (
	Invalid         Code = "invalid_argument"
	NotFound        Code = "not_found"
	Exists          Code = "already_exists"
	Conflict        Code = "aborted"             // lost a race; the caller may read again and retry
	Precondition    Code = "failed_precondition" // not in this state; retrying changes nothing
	Unauthenticated Code = "unauthenticated"
	Denied          Code = "permission_denied"
	Exhausted       Code = "resource_exhausted" // a limit on size, number or rate
	Unavailable     Code = "unavailable"        // a dependency is down or slow
	Internal        Code = "internal"
)

// Error is a failure that somebody else may read.
type Error struct {
	Code    Code
	Message string // what failed; lower case, no full stop; safe to show
	Hint    string // the next step, often a command; may be empty
	Err     error  // the cause, for the log; may be nil
}

// New makes an error with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap keeps err as the cause behind a message that may be shown. A nil err gives an error all the
// same: call it only on failure.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: err}
}

// WithHint returns a copy that tells the reader what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Error is the text for the log: the message and its causes, without the hint.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of the outermost [Error] in err's chain. A context that ended is [Unavailable],
// anything unknown [Internal], nil the empty code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Unavailable
	}
	return Internal
}

// Public is what a caller may see of err: its message and hint when it is an [Error], and otherwise
// a sentence that gives nothing away.
func Public(err error) (message, hint string) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message, e.Hint
	}
	if CodeOf(err) == Unavailable {
		return "took too long", "try again"
	}
	return "internal error", ""
}
