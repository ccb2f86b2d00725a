package crashcases

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// kit is a struct of the user's own with a state of each kind in it.
type kit struct {
	Mutex     sync.MutexState
	RMutex    sync.MutexState
	RW        sync.RWMutexState
	Semaphore sync.SemaphoreState
	Tracked   sync.SemaphoreState
	Cond      sync.CondState
	Event     sync.EventState
	Once      sync.OnceState
	Group     sync.WaitGroupState
	Barrier   sync.BarrierState
}

// tools are the handles of a kit.
type tools struct {
	kit *kit

	mutex     *sync.Mutex
	rmutex    *sync.RMutex
	rw        *sync.RWMutex
	semaphore *sync.Semaphore
	tracked   *sync.Semaphore
	cond      *sync.Cond
	event     *sync.Event
	once      *sync.Once
	group     *sync.WaitGroup
	barrier   *sync.Barrier
}

func makeKit(a *crashlab.Actor) error {
	_, _, err := shm.NewStruct[kit](a.Segment, shm.Named("kit"))
	return err
}

// open finds the kit. That hashes its layout, in half a million steps, of which nothing can be seen.
func (t *tools) open(a *crashlab.Actor) (err error) {
	t.kit, _, err = shm.OpenStruct[kit](a.Segment, "kit")
	return err
}

// reach gets all handles; of the semaphores and the barrier the first who comes makes them.
func (t *tools) reach(a *crashlab.Actor) error {
	k := t.kit
	errs := make([]error, 10)
	t.mutex, errs[0] = sync.MutexAt(a.Segment, &k.Mutex)
	t.rmutex, errs[1] = sync.RMutexAt(a.Segment, &k.RMutex)
	t.rw, errs[2] = sync.RWMutexAt(a.Segment, &k.RW)
	t.semaphore, errs[3] = sync.SemaphoreAt(a.Segment, &k.Semaphore, 8, sync.Bounded())
	t.tracked, errs[4] = sync.SemaphoreAt(a.Segment, &k.Tracked, 8, sync.Tracked())
	t.cond, errs[5] = sync.CondAt(a.Segment, &k.Cond)
	t.event, errs[6] = sync.EventAt(a.Segment, &k.Event)
	t.once, errs[7] = sync.OnceAt(a.Segment, &k.Once)
	t.group, errs[8] = sync.WaitGroupAt(a.Segment, &k.Group)
	t.barrier, errs[9] = sync.BarrierAt(a.Segment, &k.Barrier, 3)
	return errors.Join(errs...)
}

// try gets all handles, and uses those that this process has made.
func (t *tools) try(a *crashlab.Actor) error {
	err := t.reach(a)
	if err == nil {
		err = t.semaphore.Acquire(a.Ctx, 8-1)
	}
	if err == nil {
		err = t.semaphore.Release(8 - 1)
	}
	if err == nil && t.barrier.Parties() != 3 {
		err = errors.New("a barrier for others")
	}
	return err
}

func openOrNew(a *crashlab.Actor) error {
	_, err := sync.OpenOrNewMutex(a.Segment, "mutex")
	return err
}

func atCases() []crashlab.Case {
	return []crashlab.Case{{
		Name: "sync.OpenOrNewMutex", Covers: []string{"sync.OpenOrNewMutex"},
		Play: func() crashlab.Play {
			return crashlab.Play{Victim: openOrNew, Recover: func(a *crashlab.Actor) error {
				if a.Paused { // the victim may hold the heap's lock, for which making waits without a context
					return nil
				}
				return openOrNew(a)
			}}
		},
	}, {
		Name: "sync.SemaphoreAt, BarrierAt and the like",
		Covers: []string{"sync.MutexAt", "sync.RMutexAt", "sync.RWMutexAt", "sync.SemaphoreAt", "sync.CondAt",
			"sync.EventAt", "sync.OnceAt", "sync.WaitGroupAt", "sync.BarrierAt"},
		Play: func() crashlab.Play {
			var t tools
			return crashlab.Play{Setup: makeKit, Open: t.open, Victim: t.reach, Recover: func(a *crashlab.Actor) error {
				// One at a time: all of them together want more permits than there are.
				if a.N != 0 {
					return t.reach(a)
				}
				return t.try(a)
			}}
		},
	}}
}
