package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// This file is what protoc would make of a service in a .proto file, written by hand, with JSON in the place of protocol buffers. A
// program that has such a file uses what protoc makes of it, over the same connections.

// Text is what goes there and back.
type Text struct{ Text string }

// speaker is the service.
type speaker interface {
	Shout(ctx context.Context, t *Text) (*Text, error)
	Spell(t *Text, send func(*Text) error) error
}

// Names of the service and its methods.
const (
	serviceName = "kindred.examples.Speaker"
	shoutMethod = "Shout"
	spellMethod = "Spell"
)

// speakerService tells a server how the service is called.
var speakerService = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*speaker)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: shoutMethod, Handler: handleShout}},
	Streams:     []grpc.StreamDesc{{StreamName: spellMethod, Handler: handleSpell, ServerStreams: true}},
}

func handleShout(s any, ctx context.Context, decode func(any) error, between grpc.UnaryServerInterceptor) (any, error) {
	t := new(Text)
	if err := decode(t); err != nil {
		return nil, err
	}
	do := func(ctx context.Context, t any) (any, error) { return s.(speaker).Shout(ctx, t.(*Text)) }
	if between == nil {
		return do(ctx, t)
	}
	return between(ctx, t, &grpc.UnaryServerInfo{Server: s, FullMethod: "/" + serviceName + "/" + shoutMethod}, do)
}

func handleSpell(s any, stream grpc.ServerStream) error {
	t := new(Text)
	if err := stream.RecvMsg(t); err != nil {
		return err
	}
	return s.(speaker).Spell(t, func(t *Text) error { return stream.SendMsg(t) })
}

// speakerClient calls the service.
type speakerClient struct{ conn grpc.ClientConnInterface }

func (c speakerClient) Shout(ctx context.Context, t *Text) (*Text, error) {
	answer := new(Text)
	return answer, c.conn.Invoke(ctx, "/"+serviceName+"/"+shoutMethod, t, answer)
}

// Spell yields the answers as they come, and an error, if there is one, as the last.
func (c speakerClient) Spell(ctx context.Context, t *Text) iter.Seq2[*Text, error] {
	return func(yield func(*Text, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // of a stream that is not read to its end
		stream, err := c.conn.NewStream(ctx, &speakerService.Streams[0], "/"+serviceName+"/"+spellMethod)
		if err == nil {
			err = errors.Join(stream.SendMsg(t), stream.CloseSend())
		}
		for err == nil {
			answer := new(Text)
			if err = stream.RecvMsg(answer); err == nil && !yield(answer, nil) {
				return
			}
		}
		if err != io.EOF {
			yield(nil, err)
		}
	}
}

// asJSON is how messages are encoded.
type asJSON struct{}

func (asJSON) Name() string { return "json" }

func (asJSON) Marshal(v any) (mem.BufferSlice, error) {
	b, err := json.Marshal(v)
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

func (asJSON) Unmarshal(data mem.BufferSlice, v any) error {
	return json.Unmarshal(data.Materialize(), v)
}
