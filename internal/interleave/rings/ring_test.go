//go:build interleave && (linux || darwin)

package rings_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/ring"
)

// writer and reader are the ends of a ring of whatever kind, for numbers.
type (
	writer interface {
		push(ctx context.Context, v uint64) error
		close() error
		Remembers() []uint64
	}
	reader interface {
		pop(ctx context.Context) (uint64, error)
		Remembers() []uint64
	}
)

// kind is how a ring of that kind is made, and its ends are had. The room is for two numbers.
type kind struct {
	name string
	make func(w, r *interleave.Process, capacity int) (writer, reader)
}

type (
	valueWriter struct{ *ring.Writer[uint64] }
	valueReader struct{ *ring.Reader[uint64] }
	byteWriter  struct{ *ring.BytesWriter }
	byteReader  struct{ *ring.BytesReader }
)

func (w valueWriter) push(ctx context.Context, v uint64) error { return w.Push(ctx, v) }
func (w valueWriter) close() error                             { return w.Close() }

func (r valueReader) pop(ctx context.Context) (uint64, error) { return r.Pop(ctx) }

func (w byteWriter) push(ctx context.Context, v uint64) error {
	b, err := w.Reserve(ctx, 8)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(b, v)
	w.Commit(8)
	return nil
}

func (w byteWriter) close() error { return w.Close() }

func (r byteReader) pop(ctx context.Context) (uint64, error) {
	b, err := r.Peek(ctx)
	if err != nil {
		return 0, err
	}
	v := binary.LittleEndian.Uint64(b)
	r.Release()
	return v, nil
}

var values = kind{"values", func(wp, rp *interleave.Process, capacity int) (w writer, r reader) {
	var there *ring.SPSC[uint64]
	wp.Do(func() {
		var err error
		there, err = ring.NewSPSC[uint64](wp.Shm, capacity)
		wp.NoError(err)
		end, err := there.Writer()
		wp.NoError(err)
		w = valueWriter{end}
	})
	rp.Do(func() {
		same, err := ring.SPSCFrom[uint64](rp.Shm, there.Ref())
		rp.NoError(err)
		end, err := same.Reader()
		rp.NoError(err)
		r = valueReader{end}
	})
	return w, r
}}

var records = kind{"bytes", func(wp, rp *interleave.Process, capacity int) (w writer, r reader) {
	var there *ring.Bytes
	wp.Do(func() {
		var err error
		there, err = ring.NewBytes(wp.Shm, capacity*16)
		wp.NoError(err)
		end, err := there.Writer()
		wp.NoError(err)
		w = byteWriter{end}
	})
	rp.Do(func() {
		same, err := ring.BytesFrom(rp.Shm, there.Ref())
		rp.NoError(err)
		end, err := same.Reader()
		rp.NoError(err)
		r = byteReader{end}
	})
	return w, r
}}

// value is the i-th number that is written; 0 is none of them.
func value(i int) uint64 { return 0xa0 + uint64(i) }

// stream is a writer of n numbers, who may close the ring behind them, and a reader who takes them all.
// What comes is what was written, in its order, and what a writer committed before it died comes, too.
func stream(k kind, name string, n, capacity int, s interleave.Scenario) interleave.Scenario {
	s.Name = k.name + ": " + name
	s.Buffers = max(s.Buffers, 2)
	s.Size = 64 << 10
	s.Setup = func(world *interleave.World) {
		const pushed, popped = 0, 1
		world.Ghost = make([]uint64, 2)
		wp, rp := world.Process("writer"), world.Process("reader")
		w, r := k.make(wp, rp, capacity)
		wp.Mortal = s.Deaths > 0
		wp.Run(func() {
			for i := range n {
				wp.Rest(w.Remembers()...)
				wp.NoError(w.push(context.Background(), value(i)))
				world.Ghost[pushed]++
			}
			if s.Deaths > 0 {
				wp.NoError(w.close())
			}
		})
		rp.Run(func() {
			for i := 0; ; i++ {
				if i == n && s.Deaths == 0 {
					return
				}
				rp.Rest(r.Remembers()...)
				v, err := r.pop(context.Background())
				if s.Deaths > 0 && errors.Is(err, ring.ErrClosed) {
					rp.Check(i == n, "closed behind %d of %d", i, n)
					return
				}
				if wp.Dead() && errors.Is(err, ring.ErrPeerDied) {
					rp.Check(uint64(i) >= world.Ghost[pushed], "%d were pushed before the death, and %d came", world.Ghost[pushed], i)
					return
				}
				rp.NoError(err)
				rp.Check(v == value(i), "%#x came as number %d", v, i)
				world.Ghost[popped]++
			}
		})
		world.Finally(func(auditor *interleave.Process) {
			auditor.Check(wp.Dead() || world.Ghost[popped] == uint64(n), "%d of %d came", world.Ghost[popped], n)
		})
	}
	return s
}

// No safety net anywhere: a wake-up that is lost would be a deadlock. The ring is smaller than the stream,
// so both ends block.
func TestRingsKeepTheOrderAndLoseNoWakeUp(t *testing.T) {
	for _, k := range []kind{values, records} {
		interleave.Exhaust(t, stream(k, "one place", 2, 1, interleave.Scenario{}))
		interleave.Try(t, stream(k, "two places", 3, 2, interleave.Scenario{}), 10_000)
		interleave.Exhaust(t, stream(k, "registered late", 2, 2, interleave.Scenario{Late: true}))
		interleave.Exhaust(t, stream(k, "without membarrier", 2, 2, interleave.Scenario{Demand: true}))
	}
}

func TestRingsInTheFinestSteps(t *testing.T) {
	for _, k := range []kind{values, records} {
		interleave.Exhaust(t, stream(k, "in the finest steps", 2, 2, interleave.Scenario{Fine: true}))
	}
}

func TestRingsTellOfADeadWriterBehindWhatItCommitted(t *testing.T) {
	for _, k := range []kind{values, records} {
		interleave.Exhaust(t, stream(k, "the writer may die", 1, 1, interleave.Scenario{Deaths: 1}))
		interleave.Exhaust(t, stream(k, "the writer may die, which is not pushed", 1, 1,
			interleave.Scenario{Deaths: 1, Silent: true, Net: interleave.LastNet}))
	}
}

func TestRingsNeedTheirFenceAndTheirWakes(t *testing.T) {
	for _, k := range []kind{values, records} {
		interleave.Loses(t, stream(k, "membarrier does nothing", 2, 2, interleave.Scenario{Lose: interleave.NoBarrier}))
		interleave.Loses(t, stream(k, "a wake is lost", 2, 2, interleave.Scenario{Lose: interleave.NoWake}))
	}
}

// Larger than can be searched.
func TestRingsOfMore(t *testing.T) {
	for _, k := range []kind{values, records} {
		interleave.Try(t, stream(k, "eight numbers in three places", 8, 3, interleave.Scenario{}), 3000)
		interleave.Try(t, stream(k, "eight numbers in three places, the writer may die", 8, 3,
			interleave.Scenario{Deaths: 1, Buffers: 4}), 3000)
	}
}
