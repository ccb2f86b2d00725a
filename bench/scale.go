package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	gosync "sync"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
)

// scaleRows measure how a figure grows with one number. docs/SCALING.md holds them against a model.
func scaleRows() []Row {
	all := fanRows()
	for _, length := range []uint64{8, 64, 512, 4 << 10, 32 << 10, 256 << 10, 1 << 20, 4 << 20} {
		all = append(all, lengthRows(length)...)
	}
	for _, n := range []uint64{1, 10, 100, 1_000, 10_000} {
		all = append(all, Row{
			Name:  fmt.Sprintf("scale/mutex/%d", n),
			About: "lock and unlock of a sync.Mutex that so many goroutines of each of two processes want, each again at once",
			N:     2_000_000, Warm: 200_000, Workers: n, Place: Free,
			Payload: "a counter under the lock", Concurrency: fmt.Sprintf("2 processes of %d goroutines", n),
			Ours:      measureContended,
			Reference: Reference{Name: "Go, sync.Mutex in one process, as many", Go: measureGoContended},
			Point:     Point{Series: "Mutex that all want", Axis: "goroutines of each process", At: float64(n)},
		})
	}
	for _, n := range []uint64{1e3, 1e4, 1e5, 1e6, 1e7} {
		all = append(all, Row{
			Name:  fmt.Sprintf("scale/map/%d", n),
			About: "get and set of random keys of a state.Map of so many pairs of 8-byte words",
			N:     2_000_000, Capacity: n, CapacityOf: "pairs", Place: OneCPU, Payload: "every value", Concurrency: "1 process",
			Figures:   []Figure{{Name: "get"}, {Name: "set"}},
			Meter:     measureMap,
			Reference: Reference{Name: "C++, Boost unordered_map in shared memory, with its mutex", Source: "boost_map.cc"},
			Point:     Point{Series: "Map", Axis: "pairs", At: float64(n)},
		})
	}
	return append(all, Row{
		Name:  "scale/ring/spsc/far",
		About: "uint64s one by one through a ring.SPSC that has moved 2^32 of them before, against one that has moved 2^24",
		N:     50_000_000, Warm: 1<<32 + 1<<16, Capacity: 65_536,
		Place: TwoCPUs, Payload: "uint64, each checked", Concurrency: "1 writer, 1 reader",
		Ours: measureFar, Reference: Reference{Name: "this ring, near its begin", Go: measureNear},
	})
}

// lengthRows are those of messages of one length.
func lengthRows(length uint64) []Row {
	record := Row{
		Name:  fmt.Sprintf("scale/ring/bytes/%d", length),
		About: "records of so many bytes through a ring.Bytes, one copy in and none out",
		N:     min(max(4<<30/length, 1000), 2_000_000), Capacity: max(4*length, 1<<20), CapacityOf: "bytes",
		Place: TwoCPUs, Payload: fmt.Sprint(length, " bytes, one word of each line added up"), Concurrency: "1 writer, 1 reader",
		Ours:  measureRecords(length, singly),
		Point: Point{Series: "Records and messages", Axis: "bytes", At: float64(length), Of: "Bytes"},
	}
	record.Warm = record.N / 3
	message := record
	message.Name = fmt.Sprintf("scale/pipe/%d", length)
	message.About = "messages of so many bytes through a queue.Pipe, by SendBytes and RecvInto: one copy in and one out"
	message.Concurrency = "1 sender, 1 receiver"
	message.Capacity = max(4*length, min(1<<20, 1024*length))
	message.N = min(max(2<<30/length, 500), 500_000)
	message.Warm = message.N / 3
	message.Ours, message.Point.Of = measureMessages(length), "Pipe"
	if length >= 64 { // what the reference adds up are whole lines
		record.Reference = Reference{Name: "C, memcpy into shared memory", Source: "memcpy.c", Kind: fmt.Sprint(length)}
		message.Reference = Reference{Name: "C, memcpy in and out", Source: "memcpy.c", Kind: fmt.Sprint(length, "+out")}
	}
	return []Row{record, message}
}

// messagesJob is what the peer is told.
type messagesJob struct {
	Job
	Length uint64
	End    queue.End
}

// measureMessages is measureRecords for a Pipe.
func measureMessages(length uint64) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		p, err := newPair(j, max(32*int64(length), 16<<20))
		if err != nil {
			return 0, err
		}
		mine, theirs, err := queue.NewPipe[[]byte, uint64](p.seg, int(j.Capacity/length))
		if err != nil {
			return 0, err
		}
		mine.SetPolicy(queue.Spin)
		end, err := passOn(theirs)
		if err != nil {
			return 0, err
		}
		if err := begin(ctx, p, messagesReceiver, messagesJob{j, length, end}); err != nil {
			return 0, err
		}
		source := make([]byte, length)
		for k := uint64(1); k < linesOf(length); k++ {
			binary.LittleEndian.PutUint64(source[64*k:], k)
		}
		part := func(first, n uint64) error {
			for v := first; v != first+n; v++ {
				binary.LittleEndian.PutUint64(source, v)
				if err := mine.SendBytes(ctx, source); err != nil {
					return err
				}
			}
			last, err := mine.Recv(ctx)
			expect(last, first+n, "sender")
			return err
		}
		v, err := pinned(j.A, func() (float64, error) {
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

var messagesReceiver = proc.Func("bench/scale/messages", func(ctx context.Context, j messagesJob) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	p, err := queue.PipeFrom[uint64, []byte](seg, j.End)
	if err != nil {
		return err
	}
	p.SetPolicy(queue.Spin)
	buffer := make([]byte, j.Length)
	lines := linesOf(j.Length)
	part := func(first, n uint64) error {
		for want := first; want != first+n; want++ {
			got, err := p.RecvInto(ctx, buffer)
			if err != nil {
				return err
			}
			sum := uint64(0)
			for i := 0; i+8 <= got; i += 64 {
				sum += binary.LittleEndian.Uint64(buffer[i:])
			}
			expect(sum, want+lines*(lines-1)/2, "receiver")
		}
		return p.Send(ctx, first+n)
	}
	_, err = pinned(j.B, func() (struct{}, error) {
		if err := part(j.PeerSalt, j.Warm); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, part(j.PeerSalt+j.Warm, j.N)
	})
	return err
})

// measureGoContended is measureContended for the lock of one process, with the goroutines of both.
func measureGoContended(_ context.Context, j Job) (float64, error) {
	var lock gosync.Mutex
	var all gosync.WaitGroup
	counter, last := j.Salt, j.Salt+j.Warm+j.N
	var begin time.Time
	var elapsed time.Duration
	counts := make([]uint64, 2*j.Workers)
	for i := range counts {
		all.Go(func() {
			for over := false; !over; {
				lock.Lock()
				switch counter {
				case j.Salt + j.Warm:
					begin = time.Now()
				case last:
					elapsed, over = time.Since(begin), true
				}
				if counter > last {
					over = true
				}
				counter++
				lock.Unlock()
				counts[i]++
			}
		})
	}
	all.Wait()
	sum := j.PeerSalt
	for _, n := range counts {
		sum += n
	}
	expect(counter, sum, "holder")
	return j.per(elapsed), nil
}

// farWay warms up by batches, which is quicker, and then goes one by one.
var farWay = way{
	produce: inTurn(produceBatches, produce),
	consume: consume,
	peer:    &farConsumer,
}

var farConsumer = consumerOf("bench/ring/consumer/far", func() func(context.Context, *ring.Reader[uint64], uint64, uint64) error {
	warm := true
	return func(ctx context.Context, r *ring.Reader[uint64], first, n uint64) error {
		if warm {
			warm = false
			return consumeBatches(ctx, r, first, n)
		}
		return consume(ctx, r, first, n)
	}
}())

// A producer of a stream's part.
type producer func(ctx context.Context, w *ring.Writer[uint64], p part, x *uint64) error

// inTurn produces the first part by one, and the others by another.
func inTurn(first, others producer) producer {
	begun := false
	return func(ctx context.Context, w *ring.Writer[uint64], p part, x *uint64) error {
		if begun {
			return others(ctx, w, p, x)
		}
		begun = true
		return first(ctx, w, p, x)
	}
}

func measureFar(ctx context.Context, j Job) (float64, error) { return measureWay(ctx, j, farWay) }

func measureNear(ctx context.Context, j Job) (float64, error) {
	j.Warm = min(j.Warm, 1<<24)
	return measureFar(ctx, j)
}
