package main

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
)

const (
	// streamed is how many bytes a write of a stream has.
	streamed = 64 << 10
	// deep is the buffer of a stream: larger than the caches that a CPU has for itself, so that what is written is on its way through the one
	// that both have, and not in the reader's.
	deep = 4 << 20
)

// connRows measure connections.
func connRows() []Row {
	spinning := Row{
		Name: "conn/pingpong", About: "round trip of 64 bytes through a queue.Conn, both sides with a CPU to poll",
		N: 300_000, Warm: 50_000, Goal: 0.2,
		Place: TwoCPUs, Payload: "64 bytes, a word checked at both ends", Concurrency: "1 caller, 1 echo",
		Ours:      measureConn(64, 256<<10),
		Reference: Reference{Name: "C, a Unix socket", Source: "socket.c", Kind: "trips"},
	}
	parked := spinning
	parked.Name, parked.About = "conn/pingpong/parked/one-cpu", "the same, both processes confined to one CPU: neither polls, but yields it before it sleeps"
	parked.N, parked.Warm, parked.Goal, parked.Place = 50_000, 2_000, 1, SameCPU
	apart := parked
	apart.Name, apart.About = "conn/pingpong/parked/two-cpus", "the same, each process confined to a CPU of its own: neither polls, but yields it before it sleeps"
	apart.N, apart.Place = 20_000, OwnCPUs
	stream := spinning
	stream.Name, stream.About = "conn/stream", "writes of 64 KiB, one way, through a queue.Conn with a buffer of 4 MiB; the socket has that of the system"
	stream.N, stream.Warm, stream.Goal = 100_000, 10_000, 0.5
	stream.Payload, stream.Concurrency = "64 KiB, a word of each write checked", "1 writer, 1 reader"
	stream.Ours = measureConn(streamed, deep)
	stream.Reference.Kind = "65536"
	return []Row{spinning, parked, apart, stream, connIdleRow()}
}

// connJob is what the peer is told.
type connJob struct {
	Job
	Length int
}

// measureConn measures round trips of 64 bytes, or writes of that length, through a buffer of that size each way.
func measureConn(length, buffer int) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		p, err := newPair(j, int64(2*buffer+2<<20))
		if err != nil {
			return 0, err
		}
		l, err := queue.Listen(p.seg, "bench", queue.MaxBytes(buffer))
		if err != nil {
			return 0, err
		}
		if err := begin(ctx, p, connPeer, connJob{j, length}); err != nil {
			return 0, err
		}
		c, err := l.Accept()
		if err != nil {
			return 0, err
		}
		v, err := placed(j, j.A, func() (float64, error) { return talk(c, j, make([]byte, length)) })
		return v, p.finish(ctx, err)
	}
}

// talk is side A.
func talk(c net.Conn, j Job, b []byte) (float64, error) {
	begin := time.Now()
	for i := range j.Warm + j.N {
		if i == j.Warm {
			begin = time.Now()
		}
		binary.LittleEndian.PutUint64(b, j.Salt+i)
		if _, err := c.Write(b); err != nil {
			return 0, err
		}
		if n := answered(j, i, len(b)); n > 0 {
			if _, err := io.ReadFull(c, b[:n]); err != nil {
				return 0, err
			}
			expect(binary.LittleEndian.Uint64(b), j.Salt+i, "caller")
		}
	}
	return j.per(time.Since(begin)), nil
}

// answered is how many bytes answer a write.
func answered(j Job, i uint64, length int) int {
	switch {
	case length < streamed:
		return length
	case i+1 == j.Warm || i+1 == j.Warm+j.N:
		return 8
	}
	return 0
}

var connPeer = proc.Func("bench/conn/peer", func(ctx context.Context, j connJob) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	c, err := queue.Dial(ctx, seg, "bench")
	if err != nil {
		return err
	}
	_, err = placed(j.Job, j.B, func() (struct{}, error) {
		b := make([]byte, j.Length)
		for i := range j.Warm + j.N {
			if _, err := io.ReadFull(c, b); err != nil {
				return struct{}{}, err
			}
			expect(binary.LittleEndian.Uint64(b), j.PeerSalt+i, "echo")
			if n := answered(j.Job, i, len(b)); n > 0 {
				if _, err := c.Write(b[:n]); err != nil {
					return struct{}{}, err
				}
			}
		}
		return struct{}{}, nil
	})
	return err
})
