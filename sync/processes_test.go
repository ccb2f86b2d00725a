package sync_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// stage is what a test and its processes share: a lock, two counters that it guards, and signals.
type stage struct {
	Mutex   shm.Ref
	Ready   shm.Ref // a child releases one permit when it has come to the point
	Proceed shm.Ref // the parent releases one when a child shall go on
	Counts  shm.Ref
	Rounds  int
	CPUs    int // confine the child to that many; 0: all
}

// props are the stage's things, through one participant.
type props struct {
	seg            *shm.Segment
	mu             *sync.Mutex
	ready, proceed *sync.Semaphore
	counts         *[2]int64 // plain memory
}

// reach finds everything through seg.
func (s stage) reach(seg *shm.Segment) (p props, err error) {
	p.seg = seg
	if p.mu, err = sync.MutexFrom(seg, s.Mutex); err != nil {
		return p, err
	}
	if p.ready, err = sync.SemaphoreFrom(seg, s.Ready); err != nil {
		return p, err
	}
	if p.proceed, err = sync.SemaphoreFrom(seg, s.Proceed); err != nil {
		return p, err
	}
	o, err := seg.Engine().Resolve(s.Counts, segment.KindRaw, 0)
	if err == nil {
		p.counts = countsIn(o)
	}
	return p, err
}

// newStage makes the things.
func newStage(t *testing.T) (stage, props) {
	t.Helper()
	seg := anonymous(t)
	mu, err := sync.NewMutex(seg)
	require.NoError(t, err)
	ready, err := sync.NewSemaphore(seg, 0)
	require.NoError(t, err)
	proceed, err := sync.NewSemaphore(seg, 0)
	require.NoError(t, err)
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 16})
	require.NoError(t, err)
	s := stage{Mutex: mu.Ref(), Ready: ready.Ref(), Proceed: proceed.Ref(), Counts: o.Ref()}
	p, err := s.reach(seg)
	require.NoError(t, err)
	return s, p
}

// actor registers what a process does on a stage.
func actor(name string, act func(ctx context.Context, s stage, p props) error) *proc.Function[stage] {
	return proc.Func(name, func(ctx context.Context, s stage) error {
		p, err := s.reach(proc.Segments(ctx)[0])
		if err != nil {
			return err
		}
		return act(ctx, s, p)
	})
}

// start starts a process on the stage, which does not outlive the test.
func start(t *testing.T, f *proc.Function[stage], s stage, p props, opts ...proc.Option) *proc.Process {
	t.Helper()
	return proctest.Start(t, f, p.seg, s, opts...)
}

var kill = proctest.Kill
