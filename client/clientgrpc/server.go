// Package clientgrpc carries Crossfade's sessions over gRPC: on the server, interceptors that verify the
// context of each call, so that methods ask [client.SessionFromContext] as HTTP handlers do; on the client,
// interceptors that send the context of the request being served along, and bring back what the called
// service did to the session.
//
// Invariant: as package client: a method runs only for a visitor whose signed context was verified and whom
// its rule serves. The context travels as metadata "crossfade-context", which over HTTP/2 is the very header
// that the edge sets: a gRPC service may stand right behind the edge or behind another service. In the
// latter case both have one name and secret in [client.Config], because the context was made for that name.
package clientgrpc

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"crossfade.dev/crossfade/client"
)

// The metadata by which contexts come and answers go; gRPC has them in lower case.
var (
	keyContext = strings.ToLower(client.HeaderContext)
	keySession = strings.ToLower(client.HeaderSession)
	keyEnd     = strings.ToLower(client.HeaderEnd)
)

// UnaryServer verifies the context of each call, and asks the method's rule. Calls without a good context are
// answered with PermissionDenied, and with Unavailable while the keys cannot be fetched.
func UnaryServer(c *client.Client, rules Rules) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		rule := rules.of(info.FullMethod)
		if rule.kind == open {
			return next(ctx, req)
		}
		ctx, reply, err := admit(ctx, c, rule)
		if err != nil {
			return nil, err
		}
		out, err := next(ctx, req)
		// Also beside an error: what was written to the session is written.
		if md := begin(reply); md != nil {
			if failed := grpc.SetHeader(ctx, md); failed != nil && err == nil {
				return nil, status.Error(codes.Internal, "the method sent its header before the session's: "+failed.Error())
			}
		}
		return out, err
	}
}

// StreamServer is [UnaryServer] for streams. A session's first write, its rotation and its end must come before
// the first message or header that the method sends; after that the first two are refused with
// [client.ErrTooLate]. The context is checked when the stream begins: a stream that lives long looks after
// its session itself.
func StreamServer(c *client.Client, rules Rules) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		rule := rules.of(info.FullMethod)
		if rule.kind == open {
			return next(srv, ss)
		}
		ctx, reply, err := admit(ss.Context(), c, rule)
		if err != nil {
			return err
		}
		s := &stream{ServerStream: ss, ctx: ctx, reply: reply}
		err = next(srv, s)
		if failed := s.begin(); failed != nil && err == nil {
			return failed
		}
		return err
	}
}

func admit(ctx context.Context, c *client.Client, rule Rule) (context.Context, *client.Reply, error) {
	ctx, reply, err := c.Open(ctx, metadata.ValueFromIncomingContext(ctx, keyContext))
	switch {
	case errors.Is(err, client.ErrUnavailable):
		return nil, nil, status.Error(codes.Unavailable, "the session service cannot be reached yet")
	case err != nil:
		return nil, nil, status.Error(codes.PermissionDenied, "this service is called with the context of a request that came through the Crossfade edge")
	}
	return ctx, reply, rule.check(client.SessionFromContext(ctx))
}

// begin gives what the header of the answer needs besides, once; nil: nothing.
func begin(reply *client.Reply) metadata.MD {
	header, value := reply.Begin()
	if header == "" {
		return nil
	}
	return metadata.Pairs(header, value)
}

// stream adds the session's header before the first thing that is sent.
type stream struct {
	grpc.ServerStream
	ctx   context.Context
	reply *client.Reply
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) begin() error {
	if md := begin(s.reply); md != nil {
		return s.SetHeader(md)
	}
	return nil
}

func (s *stream) SendHeader(md metadata.MD) error {
	if err := s.begin(); err != nil {
		return err
	}
	return s.ServerStream.SendHeader(md)
}

func (s *stream) SendMsg(m any) error {
	if err := s.begin(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}
