package corruption

import (
	"context"
	"errors"
	"runtime"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// buildLocks makes what has rows, and what else one who is dead can have left half done.
func buildLocks(ctx context.Context, seg *shm.Segment) error {
	loans, err := sync.NewSemaphore(seg, 5, shm.Named(Loans), sync.Tracked())
	if err == nil {
		err = loans.Acquire(ctx, 2)
	}
	if err != nil {
		return err
	}
	if _, err := sync.NewEvent(seg, shm.Named(Bell)); err != nil {
		return err
	}
	deed, err := sync.NewOnce(seg, shm.Named(Deed))
	if err != nil {
		return err
	}
	begun := make(chan struct{})
	go func() {
		_ = deed.Do(ctx, func() error {
			close(begun)
			select {}
		})
	}()
	<-begun
	nest, err := sync.NewRMutex(seg, shm.Named(Nest))
	if err == nil {
		_, err = nest.Lock(ctx)
	}
	if err != nil {
		return err
	}
	for _, name := range []string{Library, Annals} {
		m, err := sync.NewRWMutex(seg, shm.Named(name))
		if err == nil {
			err = m.RLock(ctx)
		}
		if err != nil {
			return err
		}
	}
	shift, err := sync.NewWaitGroup(seg, shm.Named(Shift))
	if err == nil {
		err = shift.Add(2)
	}
	if err != nil {
		return err
	}
	return errors.Join(await(ctx, seg), gather(ctx, seg))
}

// await makes Porch, and waits at it for ever.
func await(ctx context.Context, seg *shm.Segment) error {
	porch, err := sync.NewCond(seg, shm.Named(Porch))
	if err != nil {
		return err
	}
	mu, err := sync.OpenMutex(seg, Free)
	if err == nil {
		err = mu.Lock(ctx)
	}
	if err != nil {
		return err
	}
	go func() { _ = porch.Wait(ctx, mu) }()
	if err := mu.Lock(ctx); err != nil { // it waits
		return err
	}
	return mu.Unlock()
}

// gather makes the barriers, comes to Gate, and waits there for ever.
func gather(ctx context.Context, seg *shm.Segment) error {
	gate, err := sync.NewBarrier(seg, 3, shm.Named(Gate))
	if err != nil {
		return err
	}
	go func() { _, _ = gate.Wait(ctx) }()
	for gate.Waiting() == 0 {
		runtime.Gosched()
	}
	exit, err := sync.NewBarrier(seg, 2, shm.Named(Exit), sync.Leaving())
	if err != nil {
		return err
	}
	return exit.Join()
}
