package state_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// crowd is what processes are told that meet at a List.
type crowd struct {
	List, Started shm.Ref
	Rounds        uint64
}

func newCrowd[T any](t testing.TB) (seg *shm.Segment, c crowd, l *state.List[T], p props) {
	t.Helper()
	seg, s, p := newStage(t)
	l, err := state.NewList[T](seg)
	require.NoError(t, err)
	return seg, crowd{List: l.Ref(), Started: s.Started}, l, p
}

func join[T any](ctx context.Context, c crowd) (l *state.List[T], started *state.Value[int32], err error) {
	seg := proc.Segments(ctx)[0]
	if l, err = state.ListFrom[T](seg, c.List); err != nil {
		return nil, nil, err
	}
	started, err = state.ValueFrom[int32](seg, c.Started)
	return l, started, err
}

// mover takes what is in front and puts it behind, changed, in a call each.
var mover = proc.Func("state_test.mover", func(ctx context.Context, c crowd) error {
	l, _, err := join[triple](ctx, c)
	if err != nil {
		return err
	}
	for range c.Rounds {
		x, err := l.PopFront()
		if err != nil {
			return err
		}
		if err := next(&x); err != nil {
			return err
		}
		if err := l.Append(x); err != nil {
			return err
		}
	}
	return nil
})

func TestProcessesLoseNoElement(t *testing.T) {
	ctx := bounded(t)
	seg, c, l, _ := newCrowd[triple](t)
	c.Rounds = 2000
	const processes, elements = 3, 10
	for range elements {
		require.NoError(t, l.Append(tripleOf(0, 0)))
	}
	var children []*proc.Process
	for range processes {
		child, err := mover.Start(ctx, c, proc.Share(seg))
		require.NoError(t, err)
		defer child.Close()
		children = append(children, child)
	}
	for _, child := range children {
		require.NoError(t, child.Wait(ctx))
	}
	all, err := l.Snapshot()
	require.NoError(t, err)
	require.Len(t, all, elements)
	sum := uint64(0)
	for _, x := range all {
		require.True(t, x.whole())
		sum += x.A
	}
	require.EqualValues(t, processes*c.Rounds, sum)
}

// changeForEver changes a list, and always so that all elements are alike.
func changeForEver[T any](of func(uint64) T) func(ctx context.Context, c crowd) error {
	return func(ctx context.Context, c crowd) error {
		l, started, err := join[T](ctx, c)
		if err != nil {
			return err
		}
		if _, err := state.Add(started, 1); err != nil {
			return err
		}
		for i := uint64(0); ; i++ {
			if err := l.Edit(ctx, func(all []T) ([]T, error) {
				all = all[:0]
				for range 1 + i%40 {
					all = append(all, of(i))
				}
				return all, nil
			}); err != nil {
				return err
			}
			x, err := l.Load(0)
			if err != nil {
				return err
			}
			for range 5 {
				if err := l.Append(x); err != nil {
					return err
				}
				if err := l.Store(0, x); err != nil {
					return err
				}
				if err := l.Clear(); err != nil {
					return err
				}
				if err := l.Prepend(x, x); err != nil {
					return err
				}
			}
		}
	}
}

func alike(n uint64) triple { return tripleOf(n, 2*n) }

// text has several lengths, and says itself whether it is whole.
func text(n uint64) string { return strings.Repeat(strconv.FormatUint(n%1000, 10)+" ", int(1+n%50)) }

func wholeText(s string) bool {
	word, _, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(word, 10, 64)
	return err == nil && s == text(n)
}

var (
	changer     = proc.Func("state_test.changer", changeForEver(alike))
	textChanger = proc.Func("state_test.textChanger", changeForEver(text))
)

func TestNoListIsTornByOneWhoIsStoppedAndKilled(t *testing.T) {
	t.Run("triples", untorn(changer, triple.whole))
	t.Run("texts", untorn(textChanger, wholeText))
}

// One process changes a list in all ways. It is stopped anywhere and then killed there. Who reads sees no list that was
// not one, and does not wait; who changes it goes on when the other one is dead, and nothing is lost of the heap.
func untorn[T comparable](changer *proc.Function[crowd], whole func(T) bool) func(*testing.T) {
	return func(t *testing.T) {
		ctx := bounded(t)
		seg, c, l, p := newCrowd[T](t)
		read := func(n int) {
			for range n {
				all, err := l.Snapshot()
				require.NoError(t, err)
				for _, x := range all {
					require.True(t, whole(x), "%v", x)
					require.Equal(t, all[0], x)
				}
			}
		}
		for range 6 {
			require.NoError(t, p.started.Store(0))
			child, err := changer.Start(ctx, c, proc.Share(seg))
			require.NoError(t, err)
			defer child.Close()
			p.begun(t, 1)
			read(500)
			require.NoError(t, proctest.Stop(child.Pid()))
			read(50)
			require.NoError(t, child.Kill())
			require.Error(t, child.Wait(ctx))
			read(50)
			require.NoError(t, l.Clear())
			require.NoError(t, shm.Check(seg))
			require.EqualValues(t, 6, seg.Stats().Blocks, "five props, and the list")
		}
	}
}

// keeper stands still in an Update.
var keeper = proc.Func("state_test.keeper", func(ctx context.Context, c crowd) error {
	l, started, err := join[triple](ctx, c)
	if err != nil {
		return err
	}
	return l.Update(ctx, 0, func(x *triple) error {
		*x = triple{7, 7, 7}
		if _, err := state.Add(started, 1); err != nil {
			return err
		}
		select {}
	})
})

func TestOneWhoHasTheListKeepsNobodyFromReadingIt(t *testing.T) {
	ctx := bounded(t)
	seg, c, l, p := newCrowd[triple](t)
	require.NoError(t, l.Append(tripleOf(1, 2), tripleOf(3, 4)))
	child, err := keeper.Start(ctx, c, proc.Share(seg))
	require.NoError(t, err)
	defer child.Close()
	p.begun(t, 1)
	x, err := l.Load(0)
	require.NoError(t, err)
	require.Equal(t, tripleOf(1, 2), x)
	i, err := l.Index(tripleOf(3, 4))
	require.NoError(t, err)
	require.Equal(t, 1, i)
	require.ErrorIs(t, l.Update(over(), 0, next), context.Canceled)
	done := make(chan error)
	go func() { done <- l.Append(tripleOf(5, 6)) }()
	require.NoError(t, child.Kill())
	require.NoError(t, <-done, "the next one is not told of the death")
	all, err := l.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []triple{tripleOf(1, 2), tripleOf(3, 4), tripleOf(5, 6)}, all)
}
