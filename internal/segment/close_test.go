package segment

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCloseMayBeCalledAgainAndByMany(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { require.NoError(t, s.Close()) })
	}
	wg.Wait()
	require.NoError(t, s.Close())
	require.True(t, s.IsClosed())
}

func TestEverythingAnswersErrClosedAfterClose(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindMutex, Size: 32, Name: "m"})
	require.NoError(t, err)
	l := s.LockAt(o.Offset())
	require.NoError(t, s.Close())

	_, err = s.New(Spec{Kind: KindRaw, Size: 8})
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Lookup("m", KindMutex, 0)
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Resolve(o.Ref(), KindMutex, 0)
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.File()
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Double(0, PageAlign)
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Participants()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.Objects(func(Object, string) bool { return true }), ErrClosed)
	require.ErrorIs(t, s.Check(), ErrClosed)
	require.ErrorIs(t, s.Writable(), ErrClosed)
	require.False(t, l.TryLock())
	_, err = l.TrySlow()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, l.LockSlow(bounded(t)), ErrClosed)
	require.ErrorIs(t, l.Unlock(), ErrClosed)
	require.ErrorIs(t, l.MarkConsistent(), ErrClosed)
	require.Zero(t, s.Self())
}

func TestViewsReadZerosAfterCloseAndNobodySeesWhatIsWrittenToThem(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	other := again(t, s, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 2 * PageAlign, Align: PageAlign})
	require.NoError(t, err)
	twice, err := s.Double(o.Offset(), PageAlign)
	require.NoError(t, err)
	there, err := other.Resolve(o.Ref(), KindRaw, 0)
	require.NoError(t, err)
	o.Bytes()[0] = 7
	require.EqualValues(t, 7, there.Bytes()[0])
	require.EqualValues(t, 7, twice.Bytes()[PageAlign])

	require.NoError(t, s.Close())
	for _, view := range [][]byte{o.Bytes(), twice.Bytes()} {
		require.Zero(t, view[0])
		view[0] = 9
	}
	require.EqualValues(t, 7, there.Bytes()[0])
	require.NoError(t, other.Check())
}

func TestCloseOfOneAttachDoesNotDisturbAnother(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	other := again(t, s, Config{})
	require.NoError(t, s.Close())
	o, err := other.New(Spec{Kind: KindRaw, Size: 8, Name: "still"})
	require.NoError(t, err)
	o.Bytes()[0] = 1
	require.NoError(t, other.Check())
	again(t, other, Config{})
}

func TestClosersAreCalledOnceAndNotAfterTheyWereTakenOff(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	var kept, removed, late atomic.Int32
	s.OnClose(func() { kept.Add(1) })
	off := s.OnClose(func() { removed.Add(1) })
	off()
	off()
	require.Len(t, s.closers, 1, "nothing stays of what was taken off")
	after := s.OnClose(func() { kept.Add(1) })
	require.NoError(t, s.Close())
	after() // an end that is closed while its segment is
	s.OnClose(func() { late.Add(1) })()
	require.EqualValues(t, 2, kept.Load())
	require.Zero(t, removed.Load())
	require.EqualValues(t, 1, late.Load(), "after Close: at once")
}

// Whoever is in a call while the segment is closed meets zeros, which are no corruption.
func TestCallsUnderWayWhileTheSegmentIsClosed(t *testing.T) {
	for range 20 {
		s, err := Anonymous(1<<20, Config{})
		require.NoError(t, err)
		o, err := s.New(Spec{Kind: KindMutex, Size: 32, Name: "m"})
		require.NoError(t, err)
		l := s.LockAt(o.Offset())
		var wg sync.WaitGroup
		var started sync.WaitGroup
		run := func(call func() error) {
			started.Add(1)
			wg.Go(func() {
				err := call()
				started.Done()
				for ; err == nil; err = call() {
				}
				require.ErrorIs(t, err, ErrClosed)
			})
		}
		run(func() error { _, err := s.Lookup("m", KindMutex, 0); return err })
		run(func() error { _, err := s.Resolve(o.Ref(), KindMutex, 0); return err })
		run(func() error { _, err := s.New(Spec{Kind: KindRaw, Size: 8}); return skipFull(err) })
		run(s.Check)
		run(func() error {
			if !l.TryLock() {
				if err := l.LockSlow(t.Context()); err != nil {
					return err
				}
			}
			return l.Unlock()
		})
		started.Wait()
		require.NoError(t, s.Close())
		wg.Wait()
	}
}

func skipFull(err error) error {
	if errors.Is(err, ErrNoSpace) {
		runtime.Gosched()
		return nil
	}
	return err
}

// No death is pushed when a process closes a segment and lives on, so Close itself wakes those who
// wait for what it held.
func TestCloseWakesThoseWhoMayWaitForWhatItHeld(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	other := again(t, s, Config{})
	o, err := s.New(Spec{Kind: KindMutex, Size: 32})
	require.NoError(t, err)
	held := s.LockAt(o.Offset())
	require.True(t, held.TryLock())
	l := other.LockAt(o.Offset())
	before := l.point.event.Announce()
	require.NoError(t, s.Close())
	require.NotEqual(t, before, l.point.event.Word().Load())
	require.ErrorIs(t, l.LockSlow(bounded(t)), ErrOwnerDied)
}

func TestHandlesShareOneDoubleMapping(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	first, err := s.Double(0, PageAlign)
	require.NoError(t, err)
	for range 3 {
		same, err := s.Double(0, PageAlign)
		require.NoError(t, err)
		require.Same(t, &first.Bytes()[0], &same.Bytes()[0])
	}
	require.Len(t, first.Bytes(), 2*PageAlign)
	for _, bad := range [][2]uint64{{0, 0}, {8, PageAlign}, {0, 8}, {0, 1 << 40}, {1 << 40, PageAlign}, {^uint64(0) - PageAlign + 1, PageAlign}} {
		_, err := s.Double(bad[0], bad[1])
		require.ErrorIs(t, err, ErrCorrupt, bad)
	}
}

// Ten times what 32 bits can address, one after the other, and none of it in use.
func TestAddressSpaceOfClosedSegmentsIsFoundAgain(t *testing.T) {
	for range 80 {
		s, err := Anonymous(512<<20, Config{})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
}
