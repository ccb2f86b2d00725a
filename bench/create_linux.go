package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// createRows measure how a segment is made, with no options but where it lies.
func createRows() []Row {
	return []Row{{
		Name:  "shm/create/1GiB",
		About: "create a named segment of 1 GiB, with an object in it; what it has of memory then",
		N:     50, Warm: 5, Place: OneCPU, Payload: "a word in each", Concurrency: "1 process",
		Figures:   []Figure{{Name: "time", Unit: "µs", Goal: 1}, {Name: "resident", Unit: "KiB", Goal: 1}},
		Meter:     measureCreate,
		Reference: Reference{Name: limitPrefix + "1 ms, and 1 MiB", Limits: Values{"time": 1000, "resident": 1024}},
	}}
}

// measureCreate is the time that a segment takes, on average, and the most that one takes of memory.
func measureCreate(_ context.Context, j Job) (Values, error) {
	name := fmt.Sprint("bench-create-", os.Getpid())
	return pinned(j.A, func() (Values, error) {
		var took time.Duration
		most := 0.0
		for i := range j.Warm + j.N {
			begin := time.Now()
			seg, err := shm.Create(name, 1<<30)
			if err != nil {
				return nil, err
			}
			elapsed := time.Since(begin)
			err = useSegment(seg, i+j.Salt, i+j.PeerSalt)
			var kib float64
			if err == nil {
				kib, err = residentOf(seg)
			}
			if e := shm.Unlink(name); err == nil {
				err = e
			}
			if e := seg.Close(); err == nil {
				err = e
			}
			if err != nil {
				return nil, err
			}
			if i >= j.Warm {
				took += elapsed
				most = max(most, kib)
			}
		}
		return Values{"time": j.per(took) / 1000, "resident": most}, nil
	})
}

// useSegment writes a word to a new object.
func useSegment(seg *shm.Segment, word, want uint64) error {
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 8, Align: 8, Name: "word"})
	if err != nil {
		return err
	}
	p := wordOf(o.Bytes())
	p.Store(word)
	expect(p.Load(), want, "creator")
	return nil
}

// residentOf is what the file of a segment has of memory, in KiB.
func residentOf(seg *shm.Segment) (float64, error) {
	f, err := seg.File()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return 0, err
	}
	const block = 512 // whatever its size is
	return float64(s.Blocks*block) / 1024, nil
}
