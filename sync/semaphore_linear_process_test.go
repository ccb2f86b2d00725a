package sync_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

const (
	acquire linear.Kind = iota + 1
	tryAcquire
	release
	value
)

// permitsModel has the free permits for its state. Those that a dead process had are gone, so a death
// changes nothing.
func permitsModel(n int64) linear.Model[int64] {
	return linear.Model[int64]{
		Kinds: []string{"", "acquire", "try acquire", "release", "value"},
		Init:  n,
		Step: func(free int64, op linear.Op) []int64 {
			n, cut := int64(op.Args[0]), op.Fate != linear.Returned
			possible := false
			switch op.Kind {
			case acquire, tryAcquire:
				if free >= n && (cut || op.Code == linear.OK) {
					return []int64{free - n}
				}
				possible = free < n && !cut && (op.Code == linear.Refused || op.Code == linear.TimedOut)
			case release:
				if cut || op.Code == linear.OK {
					return []int64{free + n}
				}
			case value:
				possible = cut || int64(op.Outs[0]) == free
			}
			if possible {
				return []int64{free}
			}
			return nil
		},
	}
}

// borrower takes permits and gives them back.
var borrower = linear.Func("borrower", func(ctx context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	sem, err := sync.SemaphoreFrom(seg, ref)
	if err != nil {
		return err
	}
	for c.More() {
		n := int64(1 + c.Rand.IntN(3))
		code, err := acquireSomehow(ctx, c, sem, n)
		if err != nil {
			return err
		}
		if code != linear.OK {
			n = 0
			if c.Rand.IntN(8) == 0 {
				n = 1 // in the place of what died with others
			}
		}
		if c.Rand.IntN(4) == 0 {
			c.Pause()
		}
		for ; n > 0; n-- {
			if err := giveBack(c, sem); err != nil {
				return err
			}
		}
		if c.Rand.IntN(4) == 0 {
			look(c, sem)
		}
		c.Pause()
	}
	return nil
})

func acquireSomehow(ctx context.Context, c *linear.Client, sem *sync.Semaphore, n int64) (linear.Code, error) {
	if !c.Waits() {
		c.Invoke(tryAcquire, uint64(n))
		got, err := sem.TryAcquire(n)
		return noteTry(c, got, err)
	}
	ctx, cancel := c.Patience(ctx)
	defer cancel()
	c.Invoke(acquire, uint64(n))
	return note(c, sem.Acquire(ctx, n))
}

func giveBack(c *linear.Client, sem *sync.Semaphore) error {
	c.Invoke(release, 1)
	_, err := note(c, sem.Release(1))
	return err
}

func look(c *linear.Client, sem *sync.Semaphore) {
	c.Invoke(value)
	c.Return(linear.OK, uint64(sem.Value()))
}

func TestSemaphoreIsLinearizableWhileItsUsersAreKilled(t *testing.T) {
	linear.Subject[shm.Ref, int64]{
		Run: borrower, Processes: 4, Clients: 2, Kills: 3,
		New: func(seg *shm.Segment, r *rand.Rand) (shm.Ref, linear.Model[int64], error) {
			n := int64(1 + r.IntN(8))
			m := permitsModel(n)
			sem, err := sync.NewSemaphore(seg, n)
			if err != nil {
				return shm.Ref{}, m, err
			}
			return sem.Ref(), m, nil
		},
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
			sem, err := sync.SemaphoreFrom(seg, ref)
			if err == nil {
				look(c, sem)
			}
			return err
		},
	}.Verify(t)
}
