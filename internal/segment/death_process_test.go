package segment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

var (
	bounded = proctest.Bounded
	kill    = proctest.Kill
)

func segmentOf(t *testing.T, opts ...shm.Option) *shm.Segment {
	t.Helper()
	s, err := shm.Anonymous(16<<20, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// start starts a process that is attached to s, and does not outlive the test.
func start[A any](t *testing.T, f *proc.Function[A], args A, s *shm.Segment) *proc.Process {
	t.Helper()
	return proctest.Start(t, f, s, args)
}

// owner is the participant that the process p is.
func owner(t *testing.T, s *shm.Segment, p *proc.Process) segment.Owner {
	t.Helper()
	all, err := s.Engine().Participants()
	require.NoError(t, err)
	for _, one := range all {
		if one.Pid == p.Pid() {
			require.Equal(t, p.Name(), one.Name)
			return one.Owner
		}
	}
	require.FailNow(t, "no such participant")
	return 0
}

// sit is attached, and does nothing.
var sit = proc.Func("sit", func(context.Context, string) error { select {} })

func TestAKilledProcessIsGoneAndAStoppedOneIsNot(t *testing.T) {
	s := segmentOf(t)
	p := start(t, sit, "", s)
	o := owner(t, s, p)
	require.False(t, s.Engine().Gone(o))

	require.NoError(t, proctest.Stop(p.Pid()))
	require.False(t, s.Engine().Gone(o), "paused is not dead")
	require.NoError(t, p.Signal(unix.SIGCONT))

	kill(t, p)
	require.True(t, s.Engine().Gone(o))
	require.EqualValues(t, 1, s.Engine().Info().Swept)
	require.NoError(t, s.Check())
}

func TestAProcessThatExitsIsGone(t *testing.T) {
	s := segmentOf(t)
	before := s.Engine().Info().Swept
	p := start(t, leave, "", s)
	require.NoError(t, p.Wait(bounded(t)))
	all, err := s.Engine().Participants()
	require.NoError(t, err)
	for _, one := range all {
		if one.Pid == p.Pid() {
			require.False(t, one.Alive)
			require.True(t, s.Engine().Gone(one.Owner))
		}
	}
	require.Equal(t, before+1, s.Engine().Info().Swept)
}

var leave = proc.Func("leave", func(context.Context, string) error { return nil })

// become executes another program. The participant is gone then, and the process is not.
var become = proc.Func("become", func(_ context.Context, program string) error {
	return unix.Exec(program, []string{program, "600"}, os.Environ())
})

func TestAProcessThatExecutesAnotherProgramIsGone(t *testing.T) {
	s := segmentOf(t)
	p := start(t, become, "/bin/sleep", s)
	all, err := s.Engine().Participants()
	require.NoError(t, err)
	require.Len(t, all, 2)
	for deadline := time.Now().Add(time.Minute); !s.Engine().Gone(all[1].Owner); runtime.Gosched() {
		require.True(t, time.Now().Before(deadline))
	}
	require.True(t, p.Alive())
}

func TestSlotsOfTheKilledAreUsedAgain(t *testing.T) {
	s := segmentOf(t, shm.Participants(2))
	for range 5 {
		p := start(t, sit, "", s)
		_, err := sit.Start(bounded(t), "", proc.Share(s))
		require.ErrorContains(t, err, shm.ErrFull.Error())
		kill(t, p)
	}
	require.NoError(t, s.Check())
}

// spawn starts a program by other means than this module's, says so, and waits for it.
var spawn = proc.Func("spawn", func(ctx context.Context, program string) error {
	cmd := exec.Command(program, "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := proc.Segments(ctx)[0].Engine().New(segment.Spec{
		Kind: segment.KindRaw, Size: 8, Name: fmt.Sprint(cmd.Process.Pid),
	}); err != nil {
		return err
	}
	return cmd.Wait()
})

func TestAChildThatLivesOnDoesNotKeepItsDeadParentAttached(t *testing.T) {
	s := segmentOf(t)
	p := start(t, spawn, "/bin/sleep", s)
	o := owner(t, s, p)
	pid := ""
	for deadline := time.Now().Add(time.Minute); pid == ""; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline))
		require.NoError(t, s.Engine().Objects(func(_ segment.Object, name string) bool {
			pid = name
			return true
		}))
	}
	child, err := strconv.Atoi(pid)
	require.NoError(t, err)
	defer unix.Kill(child, unix.SIGKILL)
	kill(t, p)
	require.True(t, s.Engine().Gone(o))
	require.NoError(t, unix.Kill(child, 0), "the child lives")
}

// builder makes objects with and without names, without end, and fills each with its mark.
var builder = proc.Func("builder", func(ctx context.Context, mark byte) error {
	e := proc.Segments(ctx)[0].Engine()
	for i := 0; ; i++ {
		name := ""
		if i%2 == 0 {
			name = fmt.Sprintf("%d of %d", i, os.Getpid())
		}
		_, err := e.New(segment.Spec{
			Kind: segment.KindRaw, Size: 1 + uint64(i)%700, Name: name,
			Init: func(o segment.Object) {
				for k := range o.Bytes() {
					o.Bytes()[k] = mark
				}
			},
		})
		if err != nil && !errors.Is(err, segment.ErrNoSpace) {
			return err
		}
	}
})

// Whatever a dead builder left beyond the heap's end is not seen in what is built there next.
func TestNoKillAtAnyMomentHurtsTheHeap(t *testing.T) {
	s := segmentOf(t)
	for range 15 {
		a, b := start(t, builder, 0xaa, s), start(t, builder, 0xbb, s)
		used := s.Engine().Info().Used
		for used+uint64(rand.IntN(40_000)) > s.Engine().Info().Used {
			runtime.Gosched()
		}
		kill(t, a)
		kill(t, b)
		require.NoError(t, s.Check())
		o, err := s.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 4096, Name: fmt.Sprint("mine ", a.Pid())})
		if errors.Is(err, segment.ErrNoSpace) {
			break
		}
		require.NoError(t, err)
		require.Equal(t, make([]byte, len(o.Bytes())), o.Bytes(), "clean")
		require.NoError(t, s.Check())
		found, err := s.Engine().Lookup(fmt.Sprint("mine ", a.Pid()), segment.KindRaw, 0)
		require.NoError(t, err)
		require.Equal(t, o.Ref(), found.Ref())
		require.NoError(t, s.Engine().Objects(func(o segment.Object, name string) bool {
			if name != "" && name[0] != 'm' { // complete as soon as it is there
				b := o.Bytes()[0]
				require.True(t, b == 0xaa || b == 0xbb)
				require.Equal(t, len(o.Bytes()), bytes.Count(o.Bytes(), []byte{b}))
			}
			return true
		}))
	}
}
