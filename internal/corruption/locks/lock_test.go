package locks_test

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
		free, haveFree := corruption.Find(t, t.Seg, sync.OpenMutex, corruption.Free)
		held, haveHeld := corruption.Find(t, t.Seg, sync.OpenMutex, corruption.Held)
		orphan, haveOrphan := corruption.Find(t, t.Seg, sync.OpenMutex, corruption.Orphan)
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
		s, ok := corruption.Find(t, t.Seg, sync.OpenSemaphore, corruption.Seats)
		if !ok {
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

var bell = corruption.Register(corruption.Scene{
	Name:    "event",
	Moments: 3,
	Changes: []string{corruption.Bell},
	Script: func(t *corruption.Trial) {
		t.Moment()
		e, ok := corruption.Find(t, t.Seg, sync.OpenEvent, corruption.Bell)
		t.Moment()
		if !ok {
			t.Moment()
			return
		}
		t.Do("is set", func() (any, error) { return e.IsSet(), nil })
		t.Block("wait in vain", corruption.Bell, func(ctx context.Context) (any, error) { return nil, e.Wait(ctx) })
		t.Do("set", func() (any, error) { return nil, e.Set() })
		t.Moment()
		t.Do("is set by now", func() (any, error) { return e.IsSet(), nil })
		t.Pass("wait", func(ctx context.Context) (any, error) { return nil, e.Wait(ctx) })
		t.Do("clear", func() (any, error) { return nil, e.Clear() })
		t.Do("is set no more", func() (any, error) { return e.IsSet(), nil })
	},
})

func TestEventOfWhichAnyByteIsOverwritten(t *testing.T) { bell.Run(t, 1000) }

func TestEventUnderAHostilePeer(t *testing.T) { bell.Storm(t, 1000) }

var deed = corruption.Register(corruption.Scene{
	Name:    "once",
	Moments: 3,
	Changes: []string{corruption.Deed},
	Script: func(t *corruption.Trial) {
		t.Moment()
		o, ok := corruption.Find(t, t.Seg, sync.OpenOnce, corruption.Deed)
		t.Moment()
		if !ok {
			t.Moment()
			return
		}
		t.Do("is done", func() (any, error) { return o.Done(), nil })
		times := 0
		do := func(f func()) func(context.Context) (any, error) {
			return func(ctx context.Context) (any, error) {
				err := o.Do(ctx, func() error { f(); times++; return nil })
				return times, err
			}
		}
		t.Pass("do", do(t.Moment))
		t.Do("is done by now", func() (any, error) { return o.Done(), nil })
		t.Pass("do again", do(func() {}))
	},
})

func TestOnceOfWhichAnyByteIsOverwritten(t *testing.T) { deed.Run(t, 1000) }

func TestOnceUnderAHostilePeer(t *testing.T) { deed.Storm(t, 1000) }

var nest = corruption.Register(corruption.Scene{
	Name:    "rmutex",
	Moments: 3,
	Changes: []string{corruption.Nest},
	Script: func(t *corruption.Trial) {
		t.Moment()
		m, ok := corruption.Find(t, t.Seg, sync.OpenRMutex, corruption.Nest)
		t.Moment()
		if !ok {
			t.Moment()
			return
		}
		t.Do("holder", func() (any, error) { _, held := m.Owner(); return held, nil })
		var hold *sync.Hold
		t.Pass("lock", func(ctx context.Context) (_ any, err error) {
			hold, err = m.Lock(ctx)
			return hold.Depth(), err
		})
		t.Do("lock again", func() (any, error) { return nil, hold.Lock(context.Background()) })
		t.Do("mark", func() (any, error) { return nil, hold.MarkConsistent() })
		t.Moment()
		t.Do("unlock", func() (any, error) { return nil, hold.Unlock() })
		t.Do("unlock again", func() (any, error) { return nil, hold.Unlock() })
		t.Do("unlock too often", func() (any, error) { return nil, hold.Unlock() })
		t.Do("try", func() (_ any, err error) {
			hold, err = m.TryLock()
			return hold != nil, err
		})
		if hold != nil {
			t.Do("unlock at the end", func() (any, error) { return nil, hold.Unlock() })
		}
	},
})

func TestRMutexOfWhichAnyByteIsOverwritten(t *testing.T) { nest.Run(t, 1000) }

func TestRMutexUnderAHostilePeer(t *testing.T) { nest.Storm(t, 1000) }
