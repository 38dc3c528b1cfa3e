package rpcfault

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/fault"
)

// Server is an interceptor that translates what handlers answer. An error that gives nothing away is
// logged under a short id, and the caller is told that id to quote. rand is the source of ids.
func Server(log *slog.Logger, rand io.Reader) connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			res, err := next(ctx, req)
			if err == nil {
				return res, nil
			}
			if _, ok := errors.AsType[*connect.Error](err); !ok {
				err = note(ctx, log, rand, req.Spec().Procedure, err)
			}
			return nil, ToConnect(err)
		}
	})
}

// note logs what is worth it: failures of this side, never a caller's mistake.
func note(ctx context.Context, log *slog.Logger, rand io.Reader, procedure string, err error) error {
	code := fault.CodeOf(err)
	if code != fault.Internal && code != fault.Unavailable || ctx.Err() != nil {
		return err
	}
	var raw [4]byte
	if _, failed := io.ReadFull(rand, raw[:]); failed != nil {
		return err
	}
	id := hex.EncodeToString(raw[:])
	log.ErrorContext(ctx, "call failed", "procedure", procedure, "code", string(code), "id", id, "err", err)
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err // its message says what failed
	}
	message, _ := fault.Public(err)
	return fault.Wrap(err, code, "%s", message).WithHint("the server's log has the details: look for id %s", id)
}

// Client is an interceptor that gives callers faults instead of RPC errors.
func Client() connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			res, err := next(ctx, req)
			return res, FromConnect(err)
		}
	})
}
