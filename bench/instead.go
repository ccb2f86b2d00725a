package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"path/filepath"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
)

// insteadRows measure ours beside what a Go program would else do: net/rpc and gRPC over a Unix socket, as plugins do; Unix
// sockets; pipes. gRPC is in a program of its own: it takes half a minute to build, and would take 9 ms of every start of this
// program, of which each side of each row is a child.
func insteadRows() []Row {
	call := Row{
		Name: "pool/call/rpc", About: "calls of an empty task to one worker, one after the other, as they come: no policy is set",
		N: 20_000, Warm: 2_000, Workers: 1,
		Place: Free, Payload: "uint64, its complement back, checked", Concurrency: "1 caller, 1 worker",
		Ours:      measureTasks(callEach),
		Reference: Reference{Name: "Go, net/rpc over a Unix socket", Go: measureRPC},
	}
	pipe := Row{
		Name: "pipe/pingpong/os-pipe", About: "round trip of 64 bytes through a queue.Pipe, as it comes: no policy is set",
		N: 20_000, Warm: 2_000, Capacity: 16,
		Place: Free, Payload: "64 bytes, a word checked at both ends", Concurrency: "1 caller, 1 echo",
		Ours:      measurePipe(queue.Adaptive),
		Reference: Reference{Name: "Go, two OS pipes", Go: measureOSPipe},
	}
	conn := Row{
		Name: "conn/pingpong/go", About: "round trip of 64 bytes through a queue.Conn, as it comes",
		N: 20_000, Warm: 2_000,
		Place: Free, Payload: "64 bytes, a word checked at both ends", Concurrency: "1 caller, 1 echo",
		Ours:      measureFreeConn,
		Reference: Reference{Name: "Go, a net.Conn over a Unix socket", Go: measureUnixConn},
	}
	overGRPC := Reference{Name: "Go, gRPC over a Unix socket", Source: "grpc.go"}
	block := call
	block.Name, block.About = "pool/call/grpc", "calls of a task with 64 bytes in and out to one worker, one after the other, as they come"
	block.Payload, block.Ours, block.Reference = "64 bytes, the complement of a word back, checked", measureTasks(messageEach), overGRPC
	trip := pipe
	trip.Name, trip.Reference = "pipe/pingpong/grpc", overGRPC
	return []Row{call, block, pipe, trip, conn}
}

var complementFirst = pool.Task("bench/pool/message", func(_ context.Context, m message) (message, error) {
	m[0] = ^m[0]
	return m, nil
})

func messageEach(ctx context.Context, p *pool.Pool, j Job, first, n uint64) error {
	for i := first; i != first+n; i++ {
		got, err := complementFirst.Call(ctx, p, message{j.Salt + i})
		if err != nil {
			return err
		}
		expect(got[0], ^(j.PeerSalt + i), "caller")
	}
	return nil
}

// A door is where a peer finds a socket.
type door struct {
	Job  Job
	Path string
}

// openDoor listens at a path of its own, and starts the peer that dials it.
func openDoor(ctx context.Context, j Job, peer *proc.Function[door]) (c net.Conn, p *pair, err error) {
	dir, err := os.MkdirTemp("", "kindred-bench-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "door")
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if p, err = newPair(j, 1<<16); err != nil {
		return nil, nil, err
	}
	if err := begin(ctx, p, peer, door{j, path}); err != nil {
		return nil, nil, err
	}
	c, err = l.Accept()
	return c, p, err
}

// Complement is the empty task as a service.
type Complement struct{}

// Of is that task.
func (Complement) Of(v uint64, out *uint64) error {
	*out = ^v
	return nil
}

var rpcServer = proc.Func("bench/instead/rpc", func(_ context.Context, d door) error {
	s := rpc.NewServer()
	if err := s.Register(Complement{}); err != nil {
		return err
	}
	c, err := net.Dial("unix", d.Path)
	if err == nil {
		s.ServeConn(c)
	}
	return err
})

func measureRPC(ctx context.Context, j Job) (float64, error) {
	c, p, err := openDoor(ctx, j, rpcServer)
	if err != nil {
		return 0, err
	}
	client := rpc.NewClient(c)
	v, err := eachTrip(j, func(v uint64) error {
		var got uint64
		err := client.Call("Complement.Of", v, &got)
		expect(got, ^(v - j.Salt + j.PeerSalt), "caller")
		return err
	})
	if closed := client.Close(); err == nil {
		err = closed
	}
	return v, p.finish(ctx, err)
}

// echoBytes sends back what comes, until all trips are made.
func echoBytes(r io.Reader, w io.Writer, j Job) error {
	b := make([]byte, 64)
	for i := range j.Warm + j.N {
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		expect(binary.LittleEndian.Uint64(b), j.PeerSalt+i, "echo")
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// tripBytes measures round trips.
func tripBytes(r io.Reader, w io.Writer, j Job) (float64, error) {
	b := make([]byte, 64)
	return eachTrip(j, func(v uint64) error {
		binary.LittleEndian.PutUint64(b, v)
		if _, err := w.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(r, b)
		expect(binary.LittleEndian.Uint64(b), v, "caller")
		return err
	})
}

var socketEcho = proc.Func("bench/instead/socket", func(_ context.Context, d door) error {
	c, err := net.Dial("unix", d.Path)
	if err != nil {
		return err
	}
	return echoBytes(c, c, d.Job)
})

func measureUnixConn(ctx context.Context, j Job) (float64, error) {
	c, p, err := openDoor(ctx, j, socketEcho)
	if err != nil {
		return 0, err
	}
	v, err := tripBytes(c, c, j)
	return v, p.finish(ctx, err)
}

var connEcho = proc.Func("bench/instead/conn", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	c, err := queue.Dial(ctx, seg, "bench")
	if err != nil {
		return err
	}
	return echoBytes(c, c, j)
})

func measureFreeConn(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, 2<<20)
	if err != nil {
		return 0, err
	}
	l, err := queue.Listen(p.seg, "bench")
	if err != nil {
		return 0, err
	}
	if err := p.start(ctx, connEcho); err != nil {
		return 0, err
	}
	c, err := l.Accept()
	if err != nil {
		return 0, err
	}
	v, err := tripBytes(c, c, j)
	return v, p.finish(ctx, err)
}

var pipeBytesEcho = proc.Func("bench/instead/pipe", func(ctx context.Context, j Job) error {
	return echoBytes(proc.File(ctx, 0), proc.File(ctx, 1), j)
})

// osPipes are the ends of two pipes, of which a child has one each.
type osPipes struct{ in, out, theirIn, theirOut *os.File }

func newOSPipes() (o osPipes, err error) {
	if o.theirIn, o.out, err = os.Pipe(); err == nil {
		o.in, o.theirOut, err = os.Pipe()
	}
	return o, err
}

func measureOSPipe(ctx context.Context, j Job) (float64, error) {
	o, err := newOSPipes()
	if err != nil {
		return 0, err
	}
	child, err := pipeBytesEcho.Start(ctx, j, proc.Files(o.theirIn, o.theirOut))
	if err != nil {
		return 0, err
	}
	defer child.Close()
	if err := closeAll(o.theirIn, o.theirOut); err != nil {
		return 0, err
	}
	v, err := tripBytes(o.in, o.out, j)
	if ended := child.Wait(ctx); ended != nil {
		err = fmt.Errorf("the echo: %w", ended)
	}
	return v, err
}

func closeAll(files ...*os.File) error {
	for _, f := range files {
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
