package main

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// record is the length of the records that travel through the rings of bytes: 8 words, each of which is checked.
const record = 64

func bytesRows() []Row {
	return []Row{{
		Name:  "ring/bytes/stream",
		About: "records of 64 bytes, written and read in place",
		N:     5_000_000, Warm: 2_000_000, Capacity: 1 << 20, CapacityOf: "bytes",
		Place: TwoCPUs, Payload: "64 bytes, each word checked", Concurrency: "1 writer, 1 reader",
		Ours: measureBytes,
	}}
}

// measureBytes is measureStream for records: their first word counts, the others follow from it.
func measureBytes(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, int64(j.Capacity)+1<<19)
	if err != nil {
		return 0, err
	}
	there, err := ring.NewBytes(p.seg, int(j.Capacity), shm.Named("there"))
	if err != nil {
		return 0, err
	}
	w, err := there.Writer(ring.Waiting(ring.Spin))
	if err != nil {
		return 0, err
	}
	back, err := ring.NewSPSC[uint64](p.seg, 1, shm.Named("back"))
	if err != nil {
		return 0, err
	}
	r, err := back.Reader(ring.Waiting(ring.Spin))
	if err != nil {
		return 0, err
	}
	if err := p.start(ctx, bytesConsumer); err != nil {
		return 0, err
	}
	v, err := pinned(j.A, func() (float64, error) {
		if err := produceBytes(ctx, w, r, j.Salt, j.Warm); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := produceBytes(ctx, w, r, j.Salt+j.Warm, j.N)
		return j.per(time.Since(begin)), err
	})
	return v, p.finish(ctx, err)
}

func produceBytes(ctx context.Context, w *ring.BytesWriter, r *ring.Reader[uint64], first, n uint64) error {
	for v := first; v != first+n; v++ {
		b, err := w.Reserve(ctx, record)
		if err != nil {
			return err
		}
		for i := 0; i < record; i += 8 {
			binary.LittleEndian.PutUint64(b[i:], v+uint64(i))
		}
		w.Commit(record)
	}
	last, err := r.Pop(ctx)
	if err == nil {
		expect(last, first+n, "producer")
	}
	return err
}

var bytesConsumer = proc.Func("bench/bytes/consumer", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	there, err := ring.OpenBytes(seg, "there")
	if err != nil {
		return err
	}
	r, err := there.Reader(ring.Waiting(ring.Spin))
	if err != nil {
		return err
	}
	back, err := ring.OpenSPSC[uint64](seg, "back")
	if err != nil {
		return err
	}
	w, err := back.Writer(ring.Waiting(ring.Spin))
	if err != nil {
		return err
	}
	_, err = pinned(j.B, func() (struct{}, error) {
		if err := consumeBytes(ctx, w, r, j.PeerSalt, j.Warm); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, consumeBytes(ctx, w, r, j.PeerSalt+j.Warm, j.N)
	})
	return err
})

func consumeBytes(ctx context.Context, w *ring.Writer[uint64], r *ring.BytesReader, first, n uint64) error {
	for want := first; want != first+n; want++ {
		b, err := r.Peek(ctx)
		if err != nil {
			return err
		}
		expect(uint64(len(b)), record, "consumer, length")
		for i := 0; i < record; i += 8 {
			expect(binary.LittleEndian.Uint64(b[i:]), want+uint64(i), "consumer")
		}
		r.Release()
	}
	return w.Push(ctx, first+n)
}
