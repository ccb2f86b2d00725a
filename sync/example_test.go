package sync_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// rude takes the lock and ends with it.
var rude = proc.Func("rude", func(ctx context.Context, door shm.Ref) error {
	seg, err := proc.Segment(ctx, door)
	if err != nil {
		return err
	}
	mu, err := sync.MutexFrom(seg, door)
	if err != nil {
		return err
	}
	return mu.Lock(ctx)
})

// The death of a process that holds a lock does not keep it locked: the next one gets it, and is told.
// (The program's main, or TestMain as here, has called proc.Main.)
func Example() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	mu, err := sync.NewMutex(seg)
	if err != nil {
		log.Fatal(err)
	}
	child, err := rude.Start(ctx, mu.Ref(), proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	if err := child.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	if err := mu.Lock(ctx); errors.Is(err, sync.ErrOwnerDied) {
		fmt.Println("locked: the last holder died with it")
		if err := mu.MarkConsistent(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("unlocked:", mu.Unlock())
	fmt.Println("locked:", mu.Lock(ctx))
	// Output:
	// locked: the last holder died with it
	// unlocked: <nil>
	// locked: <nil>
}

// An RMutex may be locked again by whoever holds it, through the Hold.
func ExampleRMutex() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	m, err := sync.NewRMutex(seg)
	if err != nil {
		log.Fatal(err)
	}
	hold, err := m.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	inner := func(h *sync.Hold) error {
		if err := h.Lock(ctx); err != nil {
			return err
		}
		return h.Unlock()
	}
	fmt.Println(inner(hold), hold.Depth())
	fmt.Println(hold.Unlock())
	// Output:
	// <nil> 1
	// <nil>
}

// A Once is done by one of the processes, whichever comes first and lives to the end.
func ExampleOnce() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	once, err := sync.NewOnce(seg)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		err := once.Do(ctx, func() error { fmt.Println("set up"); return nil })
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output: set up
}

// careless takes over a unit of work and dies with it.
var careless = proc.Func("careless", func(ctx context.Context, group shm.Ref) error {
	seg, err := proc.Segment(ctx, group)
	if err != nil {
		return err
	}
	g, err := sync.WaitGroupFrom(seg, group)
	if err != nil {
		return err
	}
	return g.Take(ctx, 1) // and no Done
})

// Work that a dead process answered for counts as done, and Wait says so.
func ExampleWaitGroup() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	g, err := sync.NewWaitGroup(seg)
	if err != nil {
		log.Fatal(err)
	}
	if err := g.Add(1); err != nil {
		log.Fatal(err)
	}
	child, err := careless.Start(ctx, g.Ref(), proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	defer child.Close()
	fmt.Println(errors.Is(g.Wait(ctx), sync.ErrOwnerDied))
	fmt.Println(g.Wait(ctx))
	// Output:
	// true
	// <nil>
}

// Permits of a Semaphore with the option Tracked come back from the dead; here an attach is closed, which
// is a small death.
func ExampleTracked() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	seats, err := sync.NewSemaphore(seg, 2, sync.Tracked())
	if err != nil {
		log.Fatal(err)
	}
	f, err := seg.File()
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	other, err := shm.FromFile(f)
	if err != nil {
		log.Fatal(err)
	}
	theirs, err := sync.SemaphoreFrom(other, seats.Ref())
	if err != nil {
		log.Fatal(err)
	}
	if err := theirs.Acquire(ctx, 2); err != nil {
		log.Fatal(err)
	}
	fmt.Println("free:", seats.Value())
	if err := other.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("acquired:", seats.Acquire(ctx, 2))
	// Output:
	// free: 0
	// acquired: <nil>
}

// stock is a struct of the user's own in shared memory, with a lock in it.
type stock struct {
	lock  sync.RWMutexState
	items int64
}

var restock = proc.Func("sync_test.restock", func(ctx context.Context, ref shm.Ref) error {
	seg := proc.Segments(ctx)[0]
	s, err := shm.StructFrom[stock](seg, ref)
	if err != nil {
		return err
	}
	lock, err := sync.RWMutexAt(seg, &s.lock)
	if err != nil {
		return err
	}
	if err := lock.Lock(ctx); err != nil {
		return err
	}
	s.items += 10
	return lock.Unlock()
})

// Two processes share a struct: one changes it, while others read it together.
func ExampleRWMutexAt() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	s, ref, err := shm.NewStruct[stock](seg)
	if err != nil {
		log.Fatal(err)
	}
	lock, err := sync.RWMutexAt(seg, &s.lock)
	if err != nil {
		log.Fatal(err)
	}
	child, err := restock.Start(ctx, ref, proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	defer child.Close()
	if err := child.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	if err := lock.RLock(ctx); err != nil {
		log.Fatal(err)
	}
	defer lock.RUnlock()
	fmt.Println(s.items)
	// Output: 10
}
