// Package rpcfault carries faults over Connect: to an RPC error where an API answers, and back to a
// fault where a client asked.
//
// Invariant: code, message and hint arrive as they were made; the cause stays on the server, in its log.
// The session API and the control API put [Server] in front of their handlers, the command line and
// the client library put [Client] in front of their calls.
package rpcfault

import (
	"errors"
	"net/url"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/fault"
)

// HintHeader carries the hint: a response header for Connect and plain JSON, a trailer for gRPC. It is
// percent-encoded like a path segment, because a header holds no UTF-8; plain words stay readable.
const HintHeader = "Crossfade-Hint"

// ToConnect is what a caller may see of err. Nil stays nil, and so does what is an RPC error already.
func ToConnect(err error) error {
	if err == nil {
		return nil
	}
	if already, ok := errors.AsType[*connect.Error](err); ok {
		return already
	}
	message, hint := fault.Public(err)
	out := connect.NewError(codeOf(err), errors.New(message))
	if hint != "" {
		out.Meta().Set(HintHeader, encodeHint(hint))
	}
	return out
}

// FromConnect is the fault that a server answered with, or for a call that got no answer one that says
// so. Nil stays nil.
func FromConnect(err error) error {
	if err == nil {
		return nil
	}
	rpc, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	code := fault.Code(rpc.Code().String())
	if !known(code) {
		code = fault.Internal
		if rpc.Code() == connect.CodeDeadlineExceeded || rpc.Code() == connect.CodeCanceled {
			code = fault.Unavailable
		}
	}
	if !connect.IsWireError(err) { // made on this side: no server has spoken
		return fault.Wrap(err, code, "no answer from the server").
			WithHint("is it running, and is this its internal address? start it with: crossfade serve")
	}
	out := fault.New(code, "%s", rpc.Message())
	if hint, err := url.PathUnescape(rpc.Meta().Get(HintHeader)); err == nil && hint != "" {
		out = out.WithHint("%s", hint)
	}
	return out
}

// codeOf relies on the names of fault codes being those of Connect.
func codeOf(err error) connect.Code {
	var code connect.Code
	if code.UnmarshalText([]byte(fault.CodeOf(err))) != nil {
		return connect.CodeInternal
	}
	return code
}

func known(code fault.Code) bool {
	switch code {
	case fault.Invalid, fault.NotFound, fault.Exists, fault.Conflict, fault.Precondition,
		fault.Unauthenticated, fault.Denied, fault.Exhausted, fault.Unavailable, fault.Internal:
		return true
	}
	return false
}

// encodeHint escapes what a header cannot hold and the escape character itself, and nothing else: a
// hint like "crossfade rollout list" should read as it is in curl -i.
func encodeHint(hint string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(hint))
	for i := range len(hint) {
		c := hint[i]
		// A space at either end would be trimmed on the way.
		edge := c == ' ' && (i == 0 || i == len(hint)-1)
		if c < ' ' || c > '~' || c == '%' || edge {
			out = append(out, '%', hex[c>>4], hex[c&15])
			continue
		}
		out = append(out, c)
	}
	return string(out)
}
