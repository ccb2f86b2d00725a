package sync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// library is what a test and its processes share: a lock, and two words that are equal but while somebody
// writes.
type library struct {
	Lock    sync.RWMutexState
	Came    sync.EventState
	A, B    int64
	Written int64
}

// librarian is what a process does with it.
func librarian(name string, act func(ctx context.Context, l *library, m *sync.RWMutex) error) *proc.Function[shm.Ref] {
	return proc.Func(name, func(ctx context.Context, ref shm.Ref) error {
		seg := proc.Segments(ctx)[0]
		l, err := shm.StructFrom[library](seg, ref)
		if err != nil {
			return err
		}
		m, err := sync.RWMutexAt(seg, &l.Lock)
		if err != nil {
			return err
		}
		came, err := sync.EventAt(seg, &l.Came)
		if err != nil {
			return err
		}
		if err := act(ctx, l, m); err != nil {
			return err
		}
		if err := came.Set(); err != nil {
			return err
		}
		select {}
	})
}

const visits = 2000

var (
	errTorn = errors.New("a reader sees what a writer has half done")

	visitor = proc.Func("sync_test.visitor", func(ctx context.Context, ref shm.Ref) error {
		seg := proc.Segments(ctx)[0]
		l, err := shm.StructFrom[library](seg, ref)
		if err != nil {
			return err
		}
		m, err := sync.RWMutexAt(seg, &l.Lock)
		if err != nil {
			return err
		}
		for i := range visits {
			if i%8 == 0 {
				if err := m.Lock(ctx); err != nil {
					return err
				}
				l.A++
				l.Written++
				l.B++
				if err := m.Unlock(); err != nil {
					return err
				}
			}
			if err := m.RLock(ctx); err != nil {
				return err
			}
			if l.A != l.B {
				return errTorn
			}
			if err := m.RUnlock(); err != nil {
				return err
			}
		}
		return nil
	})
	readerThatStays = librarian("sync_test.reader", func(ctx context.Context, _ *library, m *sync.RWMutex) error {
		return m.RLock(ctx)
	})
	writerThatStays = librarian("sync_test.writer", func(ctx context.Context, l *library, m *sync.RWMutex) error {
		err := m.Lock(ctx)
		l.A++
		return err
	})
)

func openLibrary(t *testing.T) (*shm.Segment, shm.Ref, *library, *sync.RWMutex, *sync.Event) {
	t.Helper()
	seg := anonymous(t)
	l, ref, err := shm.NewStruct[library](seg)
	require.NoError(t, err)
	m, err := sync.RWMutexAt(seg, &l.Lock)
	require.NoError(t, err)
	require.Zero(t, m.Ref())
	came, err := sync.EventAt(seg, &l.Came)
	require.NoError(t, err)
	return seg, ref, l, m, came
}

func TestProcessesReadTogetherAndWriteAlone(t *testing.T) {
	ctx := bounded(t)
	seg, ref, l, _, _ := openLibrary(t)
	var children []*proc.Process
	for range 3 {
		child, err := visitor.Start(ctx, ref, proc.Share(seg))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, child.Close()) })
		children = append(children, child)
	}
	for _, c := range children {
		require.NoError(t, c.Wait(ctx))
	}
	require.EqualValues(t, 3*visits/8, l.Written)
}

func TestTheShareOfADeadReaderIsGivenBack(t *testing.T) {
	ctx := bounded(t)
	seg, ref, _, m, came := openLibrary(t)
	child, err := readerThatStays.Start(ctx, ref, proc.Share(seg))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, child.Close()) })
	require.NoError(t, came.Wait(ctx))
	got, err := m.TryLock()
	require.NoError(t, err)
	require.False(t, got)
	wrote := make(chan error)
	go func() { wrote <- m.Lock(ctx) }()
	require.Eventually(t, func() bool { _, held := m.Owner(); return held }, time.Minute, time.Millisecond)
	kill(t, child)
	require.NoError(t, <-wrote, "a reader leaves nothing to repair")
	require.NoError(t, m.Unlock())
}

func TestReadersAreToldOfADeadWriterUntilAWriterRepairs(t *testing.T) {
	ctx := bounded(t)
	seg, ref, _, m, came := openLibrary(t)
	for _, waiting := range []bool{true, false} {
		require.NoError(t, came.Clear())
		child, err := writerThatStays.Start(ctx, ref, proc.Share(seg))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, child.Close()) })
		require.NoError(t, came.Wait(ctx))
		holder, held := m.Owner()
		require.True(t, held)
		require.Equal(t, child.Pid(), holder.Pid)
		reads := make(chan error, 2)
		read := func() {
			for range 2 {
				go func() { reads <- m.RLock(ctx) }()
			}
		}
		if waiting {
			read()
			require.Eventually(t, func() bool { return sync.RWWaiting(m) == 2 }, time.Minute, time.Millisecond)
		}
		kill(t, child)
		if !waiting {
			read()
		}
		for range 2 {
			require.ErrorIs(t, <-reads, sync.ErrOwnerDied)
			require.NoError(t, m.RUnlock())
		}
		require.ErrorIs(t, m.Lock(ctx), sync.ErrOwnerDied)
		require.NoError(t, m.MarkConsistent())
		require.NoError(t, m.Unlock())
		require.NoError(t, m.RLock(ctx))
		require.NoError(t, m.RUnlock())
	}
}
