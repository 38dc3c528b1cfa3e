package clientgrpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"crossfade.dev/crossfade/client"
)

// UnaryClient sends the context of the request that is being served along with each call, and takes over what
// the called service did to the session: the browser gets the new token, or loses its cookies. Use it on
// connections to services of one's own: whoever gets a context is the visitor for half a minute.
func UnaryClient() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		s := client.SessionFromContext(ctx)
		if s.Context() == "" {
			return call(ctx, method, req, reply, cc, opts...)
		}
		var header metadata.MD
		err := call(outgoing(ctx, s), method, req, reply, cc, append(opts, grpc.Header(&header))...)
		if lost := takeOver(s, header); lost != nil && err == nil {
			return lost
		}
		return err
	}
}

// StreamClient is [UnaryClient] for streams. What the called service did to the session is taken over with the
// first message or header that is received.
func StreamClient() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s := client.SessionFromContext(ctx)
		if s.Context() == "" {
			return open(ctx, desc, cc, method, opts...)
		}
		cs, err := open(outgoing(ctx, s), desc, cc, method, opts...)
		if err != nil {
			return nil, err
		}
		return &forwarded{ClientStream: cs, session: s}, nil
	}
}

// outgoing replaces a context that the caller's own metadata may hold: two would be refused.
func outgoing(ctx context.Context, s *client.Session) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	if md == nil {
		md = metadata.MD{}
	}
	md.Set(keyContext, s.Context())
	return metadata.NewOutgoingContext(ctx, md)
}

func takeOver(s *client.Session, header metadata.MD) error {
	return s.TakeOver(first(header, keySession), first(header, keyEnd))
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

type forwarded struct {
	grpc.ClientStream
	session *client.Session
	once    sync.Once
	lost    error
}

// receive takes the header over; gRPC has it by the time that a message came, or the stream ended.
func (f *forwarded) receive() error {
	f.once.Do(func() {
		if header, err := f.ClientStream.Header(); err == nil {
			f.lost = takeOver(f.session, header)
		}
	})
	return f.lost
}

func (f *forwarded) Header() (metadata.MD, error) {
	md, err := f.ClientStream.Header()
	if lost := f.receive(); lost != nil && err == nil {
		return md, lost
	}
	return md, err
}

func (f *forwarded) RecvMsg(m any) error {
	err := f.ClientStream.RecvMsg(m)
	if lost := f.receive(); lost != nil && err == nil {
		return lost
	}
	return err
}
