package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// bytesRows measure records that are written by one copy, or in place, and read in place: the reader adds up one word
// of each line.
func bytesRows() []Row {
	row := func(name, about string, length, n uint64, goal float64, w recordsWay) Row {
		return Row{
			Name: name, About: about, N: n, Warm: n / 3, Often: 5, Capacity: 4 << 20, CapacityOf: "bytes", Goal: goal,
			Place: TwoCPUs, Payload: fmt.Sprint(length, " bytes, one word of each line added up"), Concurrency: "1 writer, 1 reader",
			Ours:      measureRecords(length, w),
			Reference: Reference{Name: "C, memcpy into shared memory", Source: "memcpy.c", Kind: fmt.Sprint(length)},
		}
	}
	const atMost = 1 / 0.9 // of the time: 0.9 of the bandwidth
	rate := row("ring/bytes/64B/rate", "the same, against a rate", 64, 6_000_000, 1, inBatches)
	rate.Reference = limit(10, "100 million in a second")
	return []Row{
		row("ring/bytes/64B", "records of 64 bytes, one by one", 64, 3_000_000, 0, singly),
		row("ring/bytes/64B/batch", "records of 64 bytes, by PushN and PeekN of 256: one copy in and none out", 64, 6_000_000, 0, inBatches),
		rate,
		row("ring/bytes/4KiB", "records of 4 KiB, one copy in and none out", 4<<10, 400_000, atMost, singly),
		row("ring/bytes/64KiB", "records of 64 KiB, one copy in and none out", 64<<10, 30_000, atMost, singly),
	}
}

// recordsWay is how both ends move their records.
type recordsWay int

const (
	singly recordsWay = iota
	inBatches
)

// atATime is how many records go at a time.
const atATime = 256

// linesOf is how many lines a record of that length has a word in.
func linesOf(length uint64) uint64 { return (length + 63) / 64 }

// recordsJob is what the peer is told.
type recordsJob struct {
	Job
	Length uint64
	Way    recordsWay
}

// measureRecords is measureStream for records of that length: their first word counts, those of the other lines are
// always the same.
func measureRecords(length uint64, way recordsWay) Side {
	return func(ctx context.Context, j Job) (float64, error) {
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
		if err := begin(ctx, p, recordsConsumer, recordsJob{j, length, way}); err != nil {
			return 0, err
		}
		source := make([]byte, length)
		for k := uint64(1); k < linesOf(length); k++ {
			binary.LittleEndian.PutUint64(source[64*k:], k)
		}
		v, err := pinned(j.A, func() (float64, error) {
			part := func(first, n uint64) error {
				if err := produceRecords(ctx, w, source, way, first, n); err != nil {
					return err
				}
				last, err := r.Pop(ctx)
				if err == nil {
					expect(last, first+n, "producer")
				}
				return err
			}
			if err := part(j.Salt, j.Warm); err != nil {
				return 0, err
			}
			begin := time.Now()
			err := part(j.Salt+j.Warm, j.N)
			return j.per(time.Since(begin)), err
		})
		return v, p.finish(ctx, err)
	}
}

func produceRecords(ctx context.Context, w *ring.BytesWriter, source []byte, way recordsWay, first, n uint64) error {
	if way == inBatches {
		return produceRecordBatches(ctx, w, source, first, n)
	}
	for v := first; v != first+n; v++ {
		binary.LittleEndian.PutUint64(source, v)
		if err := w.Push(ctx, source); err != nil {
			return err
		}
	}
	return nil
}

func produceRecordBatches(ctx context.Context, w *ring.BytesWriter, source []byte, first, n uint64) error {
	records := make([][]byte, atATime)
	for i := range records {
		records[i] = slices.Clone(source)
	}
	for v := first; v != first+n; {
		k := min(atATime, first+n-v)
		for _, b := range records[:k] {
			binary.LittleEndian.PutUint64(b, v)
			v++
		}
		if _, err := w.PushN(ctx, records[:k]); err != nil {
			return err
		}
	}
	return nil
}

var recordsConsumer = proc.Func("bench/bytes/consumer", func(ctx context.Context, j recordsJob) error {
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
		part := func(first, n uint64) error {
			if err := consumeRecords(ctx, r, j, first, n); err != nil {
				return err
			}
			return w.Push(ctx, first+n)
		}
		if err := part(j.PeerSalt, j.Warm); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, part(j.PeerSalt+j.Warm, j.N)
	})
	return err
})

func consumeRecords(ctx context.Context, r *ring.BytesReader, j recordsJob, first, n uint64) error {
	lines := linesOf(j.Length)
	others := lines * (lines - 1) / 2
	records := make([][]byte, 1)
	if j.Way == inBatches {
		records = make([][]byte, atATime)
	}
	for want := first; want != first+n; {
		k := 1
		var err error
		if j.Way == singly {
			records[0], err = r.Peek(ctx)
		} else {
			k, err = r.PeekN(ctx, records)
		}
		if err != nil {
			return err
		}
		if j.Way == inBatches {
			expectRecords(records[:k], want)
			want += uint64(k)
			r.Release()
			continue
		}
		for _, b := range records[:k] {
			expect(uint64(len(b)), j.Length, "consumer, length")
			expect(firstWords(b), want+others, "consumer")
			want++
		}
		r.Release()
	}
	return nil
}

// expectRecords checks records of one line.
func expectRecords(records [][]byte, want uint64) {
	for _, b := range records {
		if len(b) != 64 || binary.LittleEndian.Uint64(b) != want {
			expect(uint64(len(b)), 64, "consumer, length")
			expect(binary.LittleEndian.Uint64(b), want, "consumer")
		}
		want++
	}
}
