package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// refused is an initializer that fails as long as its file is there, and does not end if there is something in it.
var refused = pool.Task("refused", func(_ context.Context, path string) (int, error) {
	switch text, err := os.ReadFile(path); {
	case os.IsNotExist(err):
		return 0, nil
	case err != nil:
		return 0, err
	case len(text) > 0:
		blockForEver()
	}
	return 0, fmt.Errorf("not now: %w", errUnlucky)
})

// obstacle is what refused stumbles over.
type obstacle string

func newObstacle(t testing.TB) obstacle { return obstacle(filepath.Join(t.TempDir(), "obstacle")) }

func (o obstacle) option() pool.Option { return pool.Initializer(refused, string(o)) }

// put replaces it in one step: nobody finds half of it.
func (o obstacle) put(t testing.TB, text string) {
	t.Helper()
	part := string(o) + ".part"
	require.NoError(t, os.WriteFile(part, []byte(text), 0o600))
	require.NoError(t, os.Rename(part, string(o)))
}

func (o obstacle) remove(t testing.TB) {
	t.Helper()
	require.NoError(t, os.Remove(string(o)))
}

// kindsOf are the kinds of events of one worker, in their order.
func (d *diary) kindsOf(id int) (kinds []pool.EventKind) {
	for _, e := range d.all() {
		if e.ID == id && e.Kind != pool.PoolBroken {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

func TestWorkerThatWasGivenUpComesBackWhenItsCauseIsGone(t *testing.T) {
	const pause = 20 * time.Millisecond
	pool.ReviveAfter(t, pause)
	var d diary
	var log bytes.Buffer
	o := newObstacle(t)
	p := newPool(t, 2, o.option(), d.option(), pool.Log(slog.New(slog.NewTextHandler(&log, nil))))
	requireWorks(t, p) // so none of the two was in vain
	all := pids(p)
	o.put(t, "")
	begin := time.Now()
	kill(t, all[0], syscall.SIGKILL)

	given := d.wait(t, pool.WorkerGivenUp, 1)[0]
	require.ErrorIs(t, given.Err, errUnlucky)
	require.NotErrorIs(t, given.Err, pool.ErrBroken, "the pool is not")
	require.Equal(t, pool.Event{Kind: pool.WorkerGivenUp, ID: 0, Err: given.Err}, given)
	failed := d.wait(t, pool.WorkerFailed, 6+2)
	require.GreaterOrEqual(t, time.Since(begin), 2*pause, "six at once, and then one at a time")
	for _, e := range failed {
		require.ErrorIs(t, e.Err, errUnlucky)
		require.Equal(t, pool.Event{Kind: pool.WorkerFailed, ID: 0, Err: e.Err}, e)
	}
	require.Equal(t, 1, p.Stats().Ready)
	got, err := pid.Call(testContext(t), p, struct{}{})
	require.NoError(t, err)
	require.Equal(t, all[1], got, "meanwhile the other one is there")

	o.remove(t)
	d.wait(t, pool.WorkerStarted, 3)
	requireWorks(t, p)
	s, kinds := p.Stats(), d.kindsOf(0)
	require.Equal(t, 2, s.Ready)
	require.EqualValues(t, 1, s.Restarts)
	require.EqualValues(t, len(kinds)-4, s.FailedStarts)
	require.Equal(t, s.FailedStarts, s.Workers[0].FailedStarts)
	require.Zero(t, s.Workers[1].FailedStarts)
	var told map[string]any
	require.NoError(t, json.Unmarshal([]byte(p.Var().String()), &told))
	require.EqualValues(t, s.FailedStarts, told["FailedStarts"])

	want := []pool.EventKind{pool.WorkerStarted, pool.WorkerLost}
	for range 6 {
		want = append(want, pool.WorkerFailed)
	}
	want = append(want, pool.WorkerGivenUp) // once
	for range s.FailedStarts - 6 {
		want = append(want, pool.WorkerFailed)
	}
	require.Equal(t, append(want, pool.WorkerStarted), kinds)
	shutDown(t, p)
	require.Contains(t, log.String(), `level=WARN msg="pool: worker failed" worker=0 error="worker 0: initializer: `)
	require.Contains(t, log.String(), `level=ERROR msg="pool: worker given up" worker=0 error="worker 0: initializer: `)
	require.NotContains(t, log.String(), "pid=0")
}

// The system may refuse a start as well.
func TestWorkerThatTheSystemRefusedComesBack(t *testing.T) {
	pool.ReviveAfter(t, tick)
	var d diary
	path, err := os.Executable()
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "worker")
	require.NoError(t, os.Symlink(path, link))
	p := newPool(t, 2, pool.Process(proc.Executable(link)), d.option())
	requireWorks(t, p)
	require.NoError(t, os.Remove(link))
	kill(t, pids(p)[0], syscall.SIGKILL)
	require.ErrorIs(t, d.wait(t, pool.WorkerFailed, 6)[5].Err, fs.ErrNotExist)
	require.ErrorIs(t, d.wait(t, pool.WorkerGivenUp, 1)[0].Err, fs.ErrNotExist)
	require.NoError(t, os.Symlink(path, link))
	d.wait(t, pool.WorkerStarted, 3)
	requireWorks(t, p)
}

// What it was of use for since counts: it has six starts again.
func TestWorkerThatCameBackIsReplacedAsBefore(t *testing.T) {
	pool.ReviveAfter(t, tick)
	var d diary
	o := newObstacle(t)
	p := newPool(t, 2, o.option(), d.option())
	for n := 1; n <= 2; n++ {
		requireWorks(t, p)
		before := p.Stats().FailedStarts
		o.put(t, "")
		kill(t, pids(p)[0], syscall.SIGKILL)
		d.wait(t, pool.WorkerGivenUp, n)
		require.GreaterOrEqual(t, p.Stats().FailedStarts-before, uint64(6))
		o.remove(t)
		eventually(t, func() bool { return p.Stats().Ready == 2 })
	}
	requireWorks(t, p)
	require.Len(t, d.wait(t, pool.WorkerGivenUp, 2), 2)
}

func TestLastWorkerThatIsGivenUpBreaksThePool(t *testing.T) {
	pool.ReviveAfter(t, time.Hour)
	var d diary
	o := newObstacle(t)
	p := newPool(t, 2, o.option(), d.option())
	requireWorks(t, p)
	o.put(t, "")
	all := pids(p)
	kill(t, all[1], syscall.SIGKILL)
	require.Equal(t, 1, d.wait(t, pool.WorkerGivenUp, 1)[0].ID)
	kill(t, all[0], syscall.SIGKILL)
	require.ErrorIs(t, d.wait(t, pool.PoolBroken, 1)[0].Err, errUnlucky)
	_, err := double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
	shutDown(t, p)
	require.EqualValues(t, 12, p.Stats().FailedStarts)
	require.Len(t, d.wait(t, pool.WorkerGivenUp, 1), 1)
	require.Len(t, d.wait(t, pool.PoolBroken, 1), 1)
	requireNoChildren(t)
}

// One that dies young comes to nothing as well, and is not started at once again.
func TestWorkerThatDiesAsSoonAsItIsBackIsGivenUpAgain(t *testing.T) {
	pool.ReviveAfter(t, tick)
	var d diary
	var deadly atomic.Bool
	o := newObstacle(t)
	p := newPool(t, 2, o.option(), pool.OnEvent(func(e pool.Event) {
		d.add(e)
		if e.Kind == pool.WorkerStarted && deadly.Load() {
			_ = syscall.Kill(e.Pid, syscall.SIGKILL)
		}
	}))
	requireWorks(t, p)
	o.put(t, "")
	kill(t, pids(p)[0], syscall.SIGKILL)
	d.wait(t, pool.WorkerGivenUp, 1)
	deadly.Store(true)
	o.remove(t)
	require.ErrorContains(t, d.wait(t, pool.WorkerGivenUp, 2)[1].Err, "killed")
	deadly.Store(false)
	eventually(t, func() bool { return p.Stats().Ready == 2 })
	requireWorks(t, p)
}

func TestPoolEndsThoughAWorkerIsGivenUpOrTriedAgain(t *testing.T) {
	for name, end := range map[string]func(*pool.Pool) error{
		"Shutdown":  func(p *pool.Pool) error { return p.Shutdown(testContext(t)) },
		"Terminate": func(p *pool.Pool) error { p.Terminate(); return p.Join(testContext(t)) },
	} {
		for _, pause := range []time.Duration{time.Hour, tick} {
			t.Run(fmt.Sprint(name, " ", pause), func(t *testing.T) {
				pool.ReviveAfter(t, pause)
				var d diary
				o := newObstacle(t)
				p := newPool(t, 2, o.option(), d.option(), pool.Grace(-1))
				requireWorks(t, p)
				o.put(t, "")
				kill(t, pids(p)[0], syscall.SIGKILL)
				d.wait(t, pool.WorkerGivenUp, 1)
				o.put(t, "for ever")
				require.NoError(t, end(p))
				requireNoChildren(t)
				require.Empty(t, d.wait(t, pool.PoolBroken, 0))
			})
		}
	}
}

// whileOneIsGivenUp has the first of two workers held at the gate, until open is called, and a call wait, because the other cannot be started.
func whileOneIsGivenUp(t *testing.T, p *pool.Pool, o obstacle, d *diary) (held, waits <-chan outcome[int], open func()) {
	t.Helper()
	path, open := newGate(t)
	held = start(testContext(t), p, gate, path)
	running(t, p, "gate")
	o.put(t, "")
	waits = start(testContext(t), p, double, 1)
	require.Equal(t, 1, d.wait(t, pool.WorkerGivenUp, 1)[0].ID)
	return held, waits, open
}

// With Elastic a place that is tried again is one that a call may need, and that call gets it.
func TestElasticPoolGrowsAgainWhenTheCauseIsGone(t *testing.T) {
	pool.ReviveAfter(t, tick)
	var d diary
	o := newObstacle(t)
	p := newPool(t, 2, pool.Elastic(1, time.Hour), o.option(), d.option())
	held, waits, open := whileOneIsGivenUp(t, p, o, &d)
	o.remove(t)
	require.NoError(t, (<-waits).err)
	open()
	require.NoError(t, (<-held).err)
	require.Len(t, d.wait(t, pool.WorkerGivenUp, 1), 1)
}

// The one process of a place that was given up before may turn out to be the last one: then it is the first of six.
func TestPlaceThatIsTriedAgainAndIsTheLastOneIsTriedLikeAny(t *testing.T) {
	pool.ReviveAfter(t, tick)
	var d diary
	o := newObstacle(t)
	p := newPool(t, 2, pool.Elastic(0, tick), o.option(), d.option())
	held, waits, open := whileOneIsGivenUp(t, p, o, &d)
	fifo := string(o) + ".fifo"
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.Rename(fifo, string(o)))
	w, err := os.OpenFile(string(o), os.O_WRONLY, 0) // returns when the other worker is being tried again
	require.NoError(t, err)
	o.remove(t)
	open()
	require.NoError(t, (<-held).err)
	require.NoError(t, (<-waits).err)
	require.Equal(t, 0, d.wait(t, pool.WorkerRetired, 1)[0].ID)
	failed := p.Stats().FailedStarts
	require.NoError(t, w.Close())
	eventually(t, func() bool { return p.Stats().FailedStarts > failed })
	got, err := double.Call(testContext(t), p, 2)
	require.NoError(t, err)
	require.Equal(t, 4, got)
	require.Empty(t, d.wait(t, pool.PoolBroken, 0))
}

func TestStartThatResizeFailsWithIsToldAndCounted(t *testing.T) {
	var d diary
	o := newObstacle(t)
	p := newPool(t, 1, o.option(), d.option())
	o.put(t, "")
	require.ErrorIs(t, p.Resize(testContext(t), 3), errUnlucky)
	for _, e := range d.wait(t, pool.WorkerFailed, 2) {
		require.ErrorIs(t, e.Err, errUnlucky)
	}
	require.EqualValues(t, 2, p.Stats().FailedStarts)
}

// One that would make up for a blocked one has no place that could stay empty: the next nested call has it tried again.
func TestWorkerForNestedCallsThatIsGivenUpIsToldOf(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			var d diary
			o := newObstacle(t)
			p := newPool(t, 1, append(opts, o.option(), d.option())...)
			o.put(t, "")
			_, err := deep.Call(testContext(t), p, 1)
			require.ErrorContains(t, err, "not now")
			given := d.wait(t, pool.WorkerGivenUp, 1)[0]
			require.Equal(t, 4096, given.ID)
			require.ErrorIs(t, given.Err, errUnlucky)
			require.EqualValues(t, 6, p.Stats().Workers[1].FailedStarts)
			o.remove(t)
			_, err = deep.Call(testContext(t), p, 1)
			require.NoError(t, err)
		})
	}
}
