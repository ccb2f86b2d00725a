package state_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// stage is what the processes of a test share.
type stage struct {
	Count, Large, Bytes, Triples, Started shm.Ref
	Rounds                                uint64
}

// props are the objects of a stage.
type props struct {
	count   *state.Value[int64]
	large   *state.Value[triple]
	bytes   *state.Array[byte]
	triples *state.Array[triple]
	started *state.Value[int32]
}

func newStage(t testing.TB) (*shm.Segment, stage, props) {
	t.Helper()
	seg := anonymous(t)
	var p props
	var err error
	p.count, err = state.NewValue[int64](seg, 0)
	require.NoError(t, err)
	p.large, err = state.NewValue(seg, tripleOf(0, 0))
	require.NoError(t, err)
	p.bytes, err = state.NewArray[byte](seg, 16)
	require.NoError(t, err)
	p.triples, err = state.NewArray[triple](seg, 2)
	require.NoError(t, err)
	p.started, err = state.NewValue[int32](seg, 0)
	require.NoError(t, err)
	return seg, stage{p.count.Ref(), p.large.Ref(), p.bytes.Ref(), p.triples.Ref(), p.started.Ref(), 0}, p
}

func enter(ctx context.Context, s stage) (p props, err error) {
	seg := proc.Segments(ctx)[0]
	if p.count, err = state.ValueFrom[int64](seg, s.Count); err != nil {
		return p, err
	}
	if p.large, err = state.ValueFrom[triple](seg, s.Large); err != nil {
		return p, err
	}
	if p.bytes, err = state.ArrayFrom[byte](seg, s.Bytes); err != nil {
		return p, err
	}
	if p.triples, err = state.ArrayFrom[triple](seg, s.Triples); err != nil {
		return p, err
	}
	p.started, err = state.ValueFrom[int32](seg, s.Started)
	return p, err
}

// begin says that the process is at work.
func (p props) begin() error {
	_, err := state.Add(p.started, 1)
	return err
}

// begun returns when n processes are at work.
func (p props) begun(t testing.TB, n int32) {
	t.Helper()
	for ctx := bounded(t); ; {
		got, err := p.started.Load()
		require.NoError(t, err)
		if got >= n {
			return
		}
		require.NoError(t, ctx.Err())
	}
}

func next(x *triple) error {
	if !x.whole() {
		return fmt.Errorf("torn: %v", *x)
	}
	*x = tripleOf(x.A+1, x.B+2)
	return nil
}

// counter counts in every way there is.
var counter = proc.Func("state_test.counter", func(ctx context.Context, s stage) error {
	p, err := enter(ctx, s)
	if err != nil {
		return err
	}
	if err := p.begin(); err != nil {
		return err
	}
	for i := range s.Rounds {
		if _, err := state.Add(p.count, 1); err != nil {
			return err
		}
		if err := p.count.Update(ctx, func(n *int64) error { *n++; return nil }); err != nil {
			return err
		}
		if _, err := state.AddAt(p.bytes, int(i%4), 1); err != nil {
			return err
		}
		if err := p.large.Update(ctx, next); err != nil {
			return err
		}
		if err := p.triples.Update(ctx, int(i%2), next); err != nil {
			return err
		}
	}
	return nil
})

func TestProcessesLoseNoUpdate(t *testing.T) {
	ctx := bounded(t)
	seg, s, p := newStage(t)
	s.Rounds = 600
	const processes = 3
	var children []*proc.Process
	for range processes {
		c, err := counter.Start(ctx, s, proc.Share(seg))
		require.NoError(t, err)
		defer c.Close()
		children = append(children, c)
	}
	for _, c := range children {
		require.NoError(t, c.Wait(ctx))
	}
	all := uint64(processes) * s.Rounds
	n, err := p.count.Load()
	require.NoError(t, err)
	require.EqualValues(t, 2*all, n)
	x, err := p.large.Load()
	require.NoError(t, err)
	require.Equal(t, tripleOf(all, 2*all), x)
	for i := range 4 {
		b, err := p.bytes.Load(i)
		require.NoError(t, err)
		require.Equal(t, byte(all/4), b)
	}
	for _, x := range p.triples.All() {
		require.Equal(t, tripleOf(all/2, all), x)
	}
}

// writer stores for ever.
var writer = proc.Func("state_test.writer", func(ctx context.Context, s stage) error {
	p, err := enter(ctx, s)
	if err != nil {
		return err
	}
	if err := p.begin(); err != nil {
		return err
	}
	for i := uint64(0); ; i++ {
		if err := p.large.Store(tripleOf(i, i*i)); err != nil {
			return err
		}
		if err := p.triples.Store(int(i%2), tripleOf(i, i*i)); err != nil {
			return err
		}
	}
})

// Writers are stopped anywhere and then killed there. Whoever reads never sees half of a store, and never
// waits; whoever writes goes on when they are dead.
func TestNoLoadIsTornByWritersThatAreStoppedAndKilled(t *testing.T) {
	ctx := bounded(t)
	seg, s, p := newStage(t)
	read := func(n int) {
		for i := range n {
			x, err := p.large.Load()
			require.NoError(t, err)
			require.True(t, x.whole(), "%v", x)
			x, err = p.triples.Load(i % 2)
			require.NoError(t, err)
			require.True(t, x.whole(), "%v", x)
		}
	}
	for range 10 {
		require.NoError(t, p.started.Store(0))
		var children []*proc.Process
		for range 2 {
			c, err := writer.Start(ctx, s, proc.Share(seg))
			require.NoError(t, err)
			defer c.Close()
			children = append(children, c)
		}
		p.begun(t, 2)
		read(2000)
		for _, c := range children {
			require.NoError(t, proctest.Stop(c.Pid()))
		}
		read(100)
		for _, c := range children {
			require.NoError(t, c.Kill())
			require.Error(t, c.Wait(ctx))
		}
		read(100)
		require.NoError(t, p.large.Update(ctx, next))
		require.NoError(t, p.large.Store(tripleOf(1, 2)))
		require.NoError(t, p.triples.Update(ctx, 1, next))
	}
}

// holder dies in an Update.
var holder = proc.Func("state_test.holder", func(ctx context.Context, s stage) error {
	p, err := enter(ctx, s)
	if err != nil {
		return err
	}
	return p.large.Update(ctx, func(x *triple) error {
		*x = triple{7, 7, 7}
		if err := p.begin(); err != nil {
			return err
		}
		select {}
	})
})

func TestAProcessThatIsKilledInAnUpdateLeavesTheOldValue(t *testing.T) {
	ctx := bounded(t)
	seg, s, p := newStage(t)
	c, err := holder.Start(ctx, s, proc.Share(seg))
	require.NoError(t, err)
	defer c.Close()
	p.begun(t, 1)
	done := make(chan error)
	go func() { done <- p.large.Update(ctx, next) }()
	x, err := p.large.Load()
	require.NoError(t, err)
	require.Equal(t, tripleOf(0, 0), x)
	require.NoError(t, c.Kill())
	require.NoError(t, <-done, "the next one is not told of the death")
	x, err = p.large.Load()
	require.NoError(t, err)
	require.Equal(t, tripleOf(1, 2), x)
}
