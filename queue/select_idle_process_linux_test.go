package queue_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/sync"
)

// watchman selects among one of each kind, and reports what was ready.
type watchman struct {
	Pipe    queue.End
	Queue   *queue.Queue[uint64]
	Texts   *queue.Queue[string]
	Event   *sync.Event
	Reports *queue.Queue[int]
}

// dozer is a process of which the end is waited for.
var dozer = proc.Func("queue_test.dozer", func(context.Context, bool) error {
	for {
		time.Sleep(time.Hour)
	}
})

var watchmen = proc.Func("queue_test.watchman", func(ctx context.Context, w watchman) error {
	seg, err := proc.Segment(ctx, w.Pipe.Pipe)
	if err != nil {
		return err
	}
	end, err := queue.PipeFrom[string, string](seg, w.Pipe)
	if err != nil {
		return err
	}
	l, err := queue.Listen(seg, "watchman")
	if err != nil {
		return err
	}
	p, err := dozer.Start(ctx, true)
	if err != nil {
		return err
	}
	if err := w.Reports.Put(ctx, p.Pid()); err != nil {
		return err
	}
	waiters := []queue.Waiter{w.Queue, w.Texts, end, w.Event, l, queue.Closed(p.Done())}
	for {
		i, err := queue.Select(ctx, waiters...)
		if err != nil {
			return err
		}
		switch i {
		case 0:
			_, _, err = w.Queue.TryGet()
		case 1:
			_, _, err = w.Texts.TryGet()
		case 2:
			_, _, err = end.TryRecv()
		case 3:
			err = w.Event.Clear()
		case 4:
			_, err = l.Accept()
		}
		if err = errors.Join(err, w.Reports.Put(ctx, i)); err != nil || i == 5 {
			return err
		}
	}
})

// effort is the CPU time of a process, and how often one of its threads went to sleep.
func effort(t *testing.T, pid int) (spent time.Duration, sleeps int) {
	var at unix.Timespec
	require.NoError(t, unix.ClockGettime(int32(^pid<<3|2), &at))
	return time.Duration(at.Nano()), proctest.Sleeps(t, pid)
}

func TestASelectThatHasNothingToDoTakesNoTime(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	here, there, err := queue.NewPipe[string, string](seg, 4)
	require.NoError(t, err)
	w := watchman{
		Pipe: passed(t, there), Queue: must(queue.New[uint64](seg, 4)), Texts: must(queue.New[string](seg, 4)),
		Event: must(sync.NewEvent(seg)), Reports: must(queue.New[int](seg, 4)),
	}
	p, err := watchmen.Start(ctx, w, proc.Share(seg), proc.Stderr(os.Stderr))
	require.NoError(t, err)
	dozing := must(w.Reports.Get(ctx))
	for i, ready := range []func() error{
		func() error { return w.Queue.Put(ctx, 1) },
		func() error { return w.Texts.Put(ctx, "x") },
		func() error { return here.Send(ctx, "x") },
		func() error { return w.Event.Set() },
		func() error { _, err := queue.Dial(ctx, seg, "watchman"); return err },
		func() error { return unix.Kill(dozing, unix.SIGKILL) },
	} {
		// It polls for a moment, and there is a busy time when a process begins; then nothing but the safety net is left.
		for dozes := false; !dozes; {
			require.NoError(t, ctx.Err())
			spent, sleeps := effort(t, p.Pid())
			time.Sleep(50 * time.Millisecond)
			later, more := effort(t, p.Pid())
			dozes = later-spent < time.Millisecond && more-sleeps < 20
		}
		require.NoError(t, ready())
		require.Equal(t, i, must(w.Reports.Get(ctx)))
	}
	require.NoError(t, p.Wait(ctx))
}
