package corruption

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// keeper lives in the world, says so, and does nothing.
var keeper = proc.Func("corruption/keeper", func(ctx context.Context, dir string) error {
	seg, err := shm.Open(name, shm.Dir(dir), shm.As("keeper"))
	if err == nil {
		err = hold(ctx, seg)
	}
	if err != nil {
		return err
	}
	if _, err := proc.File(ctx, 0).Write([]byte("held")); err != nil {
		return err
	}
	// Until the parent closes its end, or ends.
	if _, err = proc.File(ctx, 1).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return err
	}
	runtime.KeepAlive(seg) // and with it the mapping, and so the slot
	return nil
})

func hold(ctx context.Context, seg *shm.Segment) error {
	m, err := sync.OpenMutex(seg, Held)
	if err == nil {
		err = m.Lock(ctx)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(holdLocks(ctx, seg), fill(ctx, seg, Inbox, Post)); err != nil {
		return err
	}
	r, err := ring.OpenSPSC[uint64](seg, Outbox)
	if err == nil {
		_, err = r.Reader()
	}
	if err != nil {
		return err
	}
	b, err := ring.OpenBytes(seg, Mail)
	if err == nil {
		_, err = b.Reader()
	}
	return err
}

// takeOften takes a permit of s, and gives it back, so often that this goroutine keeps them, where there are keepers.
func takeOften(ctx context.Context, s *sync.Semaphore) error {
	for bias.Enabled && !futex.Registered() {
		time.Sleep(time.Millisecond)
	}
	for range 2 * bias.FirstEarns {
		if err := errors.Join(s.Acquire(ctx, 1), s.Release(1)); err != nil {
			return err
		}
	}
	return nil
}

// readOften locks m for reading so often that this goroutine has a mark, where there are some, and does so once more.
func readOften(ctx context.Context, m *sync.RWMutex) error {
	for bias.Enabled && !futex.Registered() {
		time.Sleep(time.Millisecond)
	}
	for range 2 * bias.FirstEarns {
		if err := errors.Join(m.RLock(ctx), m.RUnlock()); err != nil {
			return err
		}
	}
	return m.RLock(ctx)
}

// holdLocks takes rows in everything that has some.
func holdLocks(ctx context.Context, seg *shm.Segment) error {
	loans, err := sync.OpenSemaphore(seg, Loans)
	if err == nil {
		err = loans.Acquire(ctx, 1)
	}
	if err != nil {
		return err
	}
	seats, err := sync.OpenSemaphore(seg, Seats)
	if err == nil {
		err = takeOften(ctx, seats)
	}
	if err != nil {
		return err
	}
	library, err := sync.OpenRWMutex(seg, Library)
	if err == nil {
		err = readOften(ctx, library)
	}
	if err != nil {
		return err
	}
	shift, err := sync.OpenWaitGroup(seg, Shift)
	if err == nil {
		err = shift.Add(1)
	}
	if err != nil {
		return err
	}
	porch, err := sync.OpenCond(seg, Porch)
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	if cancel(); !errors.Is(porch.Wait(over, nil), context.Canceled) { // it has a row, and does not wait
		return errors.New("waits with a context that is over")
	}
	gate, err := sync.OpenBarrier(seg, Gate)
	if err == nil {
		err = gate.Join()
	}
	return err
}
