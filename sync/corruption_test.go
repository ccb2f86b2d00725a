package sync_test

import (
	"context"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/sync"
)

// Whatever a hostile peer writes, a lock is had or is not, a permit is there or is not, and nothing else
// happens.

var threeMutexes = corruption.Register(corruption.Scene{
	Name:    "mutex",
	Moments: 3,
	Changes: []string{corruption.Free, corruption.Held, corruption.Orphan},
	Script: func(t *corruption.Trial) {
		t.Moment()
		open := func(name string) (m *sync.Mutex, ok bool) {
			ok = t.Do("open "+name, func() (_ any, err error) {
				m, err = sync.OpenMutex(t.Seg, name)
				return nil, err
			})
			return m, ok
		}
		free, haveFree := open(corruption.Free)
		held, haveHeld := open(corruption.Held)
		orphan, haveOrphan := open(corruption.Orphan)
		t.Moment()
		if haveFree {
			got := false
			t.Do("try free", func() (_ any, err error) { got, err = free.TryLock(); return got, err })
			t.Moment()
			if got {
				t.Do("holder of free", func() (any, error) { _, held := free.Owner(); return held, nil })
				t.Do("unlock free", func() (any, error) { return nil, free.Unlock() })
			}
			if t.Pass("lock free", func(ctx context.Context) (any, error) { return nil, free.Lock(ctx) }) {
				t.Do("unlock free again", func() (any, error) { return nil, free.Unlock() })
			}
			t.Do("mark free", func() (any, error) { return nil, free.MarkConsistent() })
		} else {
			t.Moment()
		}
		if haveHeld {
			t.Do("try held", func() (any, error) { return held.TryLock() })
			t.Block("lock held", corruption.Held, func(ctx context.Context) (any, error) { return nil, held.Lock(ctx) })
			t.Do("unlock held", func() (any, error) { return nil, held.Unlock() })
			t.Do("holder of held", func() (any, error) { _, held := held.Owner(); return held, nil })
		}
		if haveOrphan {
			t.Pass("lock orphan", func(ctx context.Context) (any, error) { return nil, orphan.Lock(ctx) })
			t.Do("mark orphan", func() (any, error) { return nil, orphan.MarkConsistent() })
			t.Do("unlock orphan", func() (any, error) { return nil, orphan.Unlock() })
			t.Do("try orphan", func() (any, error) { return orphan.TryLock() })
			t.Do("abandon orphan", func() (any, error) { return nil, orphan.Unlock() })
		}
	},
})

func TestMutexOfWhichAnyByteIsOverwritten(t *testing.T) { threeMutexes.Run(t, 3000) }

func TestMutexUnderAHostilePeer(t *testing.T) { threeMutexes.Storm(t, 2000) }

var permits = corruption.Register(corruption.Scene{
	Name:    "semaphore",
	Moments: 3,
	Changes: []string{corruption.Seats},
	Script: func(t *corruption.Trial) {
		t.Moment()
		var s *sync.Semaphore
		if !t.Do("open", func() (_ any, err error) {
			s, err = sync.OpenSemaphore(t.Seg, corruption.Seats)
			return nil, err
		}) {
			t.Moment()
			t.Moment()
			return
		}
		t.Moment()
		t.Do("value", func() (any, error) { return s.Value(), nil })
		t.Do("try 2", func() (any, error) { return s.TryAcquire(2) })
		t.Moment()
		t.Pass("acquire 1", func(ctx context.Context) (any, error) { return nil, s.Acquire(ctx, 1) })
		t.Block("acquire 1 more", corruption.Seats, func(ctx context.Context) (any, error) { return nil, s.Acquire(ctx, 1) })
		t.Do("try 1", func() (any, error) { return s.TryAcquire(1) })
		t.Do("release 3", func() (any, error) { return nil, s.Release(3) })
		t.Do("value at the end", func() (any, error) { return s.Value(), nil })
	},
})

func TestSemaphoreOfWhichAnyByteIsOverwritten(t *testing.T) { permits.Run(t, 3000) }

func TestSemaphoreUnderAHostilePeer(t *testing.T) { permits.Storm(t, 2000) }
