//go:build linux || darwin

package proc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
)

// memberArgs are what a process of a group does: it says that it is there, by a file; then ends, fails, or stays.
type memberArgs struct {
	Fails, Stays, Stubborn bool
}

var member = proc.Func("group/member", func(ctx context.Context, a memberArgs) error {
	if a.Stubborn {
		signal.Ignore(syscall.SIGTERM)
	}
	if f := proc.File(ctx, 0); f != nil {
		fmt.Fprintln(f, proc.Current().Name)
		f.Close()
	}
	switch {
	case a.Fails:
		return errors.New("it did not work")
	case a.Stays:
		select {}
	}
	return nil
})

func TestAGroupWaitsForAll(t *testing.T) {
	g, ctx := proc.NewGroup(testContext(t))
	for range 3 {
		member.Go(g, memberArgs{})
	}
	require.NoError(t, g.Wait())
	require.ErrorIs(t, ctx.Err(), context.Canceled, "it is over")
	member.Go(g, memberArgs{})
	require.ErrorIs(t, g.Wait(), context.Canceled, "nothing is started any more")
}

func TestTheFirstOfAGroupThatFailsEndsTheOthers(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		r, w := pipe(t)
		g, ctx := proc.NewGroup(testContext(t))
		g.SetGrace(10 * time.Millisecond)
		for i := range 2 {
			member.Go(g, memberArgs{Stays: true, Stubborn: stubborn}, proc.Files(w), proc.Name(fmt.Sprint(i)))
		}
		var names []string
		for range 2 {
			var name string
			_, err := fmt.Fscanln(r, &name)
			require.NoError(t, err)
			names = append(names, name)
		}
		require.ElementsMatch(t, []string{"0", "1"}, names)
		require.Eventually(t, func() bool { return len(proc.Children()) == 2 }, wait, tick)
		member.Go(g, memberArgs{Fails: true}, proc.Name("the one that fails"))
		err := g.Wait()
		var exit *proc.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, "the one that fails", exit.Name)
		require.Equal(t, "it did not work", exit.Text)
		require.Equal(t, err, context.Cause(ctx))
		require.Empty(t, proc.Children())
		w.Close()
	}
}

func TestAGroupEndsWithItsContext(t *testing.T) {
	over, cancel := context.WithCancelCause(testContext(t))
	g, _ := proc.NewGroup(over)
	member.Go(g, memberArgs{Stays: true})
	cause := errors.New("no more")
	cancel(cause)
	require.ErrorIs(t, g.Wait(), cause)
	require.Empty(t, proc.Children())
}

func TestAGroupWithALimit(t *testing.T) {
	g, _ := proc.NewGroup(testContext(t))
	g.SetLimit(2)
	for range 6 {
		member.Go(g, memberArgs{})
		require.LessOrEqual(t, len(proc.Children()), 2)
	}
	require.NoError(t, g.Wait())
}

func TestAGroupSaysThatAStartFailed(t *testing.T) {
	g, _ := proc.NewGroup(testContext(t))
	member.Go(g, memberArgs{}, proc.GOMAXPROCS(0))
	require.ErrorIs(t, g.Wait(), proc.ErrOption)
}

func TestChildrenAndHowTheyEnded(t *testing.T) {
	ctx := testContext(t)
	var all []*proc.Process
	for _, name := range []string{"b", "a"} {
		p, err := member.Start(ctx, memberArgs{Stays: true}, proc.Name(name))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		all = append(all, p)
	}
	require.Equal(t, []*proc.Process{all[1], all[0]}, proc.Children())
	_, ended := all[0].ExitCode()
	require.False(t, ended)
	require.NoError(t, all[0].Close())
	require.Equal(t, all[1:], proc.Children())
	code, ended := all[0].ExitCode()
	require.True(t, ended)
	require.Equal(t, -int(syscall.SIGKILL), code)
	for want, args := range map[int]memberArgs{0: {}, 1: {Fails: true}} {
		p, err := member.Start(ctx, args)
		require.NoError(t, err)
		<-p.Done()
		code, ended := p.ExitCode()
		require.True(t, ended)
		require.Equal(t, want, code)
		require.False(t, slices.Contains(proc.Children(), p))
	}
}

func TestAWarmSetHandsOutChildrenThatWait(t *testing.T) {
	ctx := testContext(t)
	r, w := pipe(t)
	warm, err := member.Warm(ctx, 2, proc.Files(w))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, warm.Close()) })
	require.Empty(t, proc.Children(), "they wait")
	seen := make(map[int]bool)
	for range 8 { // more than wait
		p, err := warm.Start(ctx, memberArgs{Fails: true})
		require.NoError(t, err)
		var name string
		_, err = fmt.Fscanln(r, &name)
		require.NoError(t, err)
		require.Equal(t, p.Name(), name)
		var exit *proc.ExitError
		require.ErrorAs(t, p.Wait(ctx), &exit)
		require.Equal(t, "it did not work", exit.Text)
		require.False(t, seen[p.Pid()])
		seen[p.Pid()] = true
	}
	require.NoError(t, warm.Close())
	require.NoError(t, warm.Close())
	_, err = warm.Start(ctx, memberArgs{})
	require.ErrorIs(t, err, os.ErrClosed)
	w.Close()
	_, err = r.Read(make([]byte, 1))
	require.Error(t, err, "all that waited are gone")
}

func TestAWarmChildGetsArgumentsOfAnySize(t *testing.T) {
	ctx := testContext(t)
	warm, err := measure.Warm(ctx, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, warm.Close()) })
	for _, n := range []int{0, 4 << 20, 9<<20 + 1} {
		p, err := warm.Start(ctx, make([]byte, n))
		require.NoError(t, err)
		require.ErrorContains(t, p.Wait(ctx), fmt.Sprintf("%d bytes", n))
	}
}

var measure = proc.Func("warm/measure", func(_ context.Context, b []byte) error { return fmt.Errorf("%d bytes", len(b)) })

func TestWhatIsWrongWithAWarmSet(t *testing.T) {
	ctx := testContext(t)
	_, err := member.Warm(ctx, 0)
	require.ErrorIs(t, err, proc.ErrOption)
	_, err = member.Warm(ctx, 2, proc.GOMAXPROCS(0))
	require.ErrorIs(t, err, proc.ErrOption)
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = member.Warm(over, 2)
	require.ErrorIs(t, err, context.Canceled)
	warm, err := member.Warm(ctx, 1)
	require.NoError(t, err)
	defer warm.Close()
	_, err = warm.Start(over, memberArgs{})
	require.ErrorIs(t, err, context.Canceled)
}
