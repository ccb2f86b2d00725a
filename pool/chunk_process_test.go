package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

// errand is what an item of a chunk is to do.
type errand struct {
	N    int
	Dir  string // where it notes that it was begun
	Do   string
	Load []byte
}

// obey does it, and returns what it was given.
var obey = pool.Task("obey", func(ctx context.Context, e errand) (errand, error) {
	f, err := os.OpenFile(filepath.Join(e.Dir, "begun"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return e, err
	}
	_, err = fmt.Fprintln(f, e.N)
	if err := errors.Join(err, f.Close()); err != nil {
		return e, err
	}
	switch e.Do {
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		blockForEver()
	case "die once":
		if os.Mkdir(filepath.Join(e.Dir, fmt.Sprint("died ", e.N)), 0o700) == nil {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			blockForEver()
		}
	case "panic":
		panic(e.N)
	case "goexit":
		runtime.Goexit()
	case "fail":
		return e, errors.New("no")
	case "wait":
		gate, err := os.Open(filepath.Join(e.Dir, "gate"))
		return e, errors.Join(err, gate.Close())
	case "block":
		blockForEver()
	case "hold":
		<-ctx.Done()
		return e, ctx.Err()
	case "call":
		n, err := double.Call(ctx, pool.Current(ctx), e.N)
		return errand{N: n / 2, Load: e.Load}, err
	}
	return e, nil
})

// errands are n of them, with what those are to do that do anything.
func errands(dir string, n int, do map[int]string) []errand {
	all := make([]errand, n)
	for i := range all {
		all[i] = errand{N: i, Dir: dir, Do: do[i]}
	}
	return all
}

// opening are errands as inputs. One of them waits at the gate until the one at that place is asked for: so that what is before that is at
// the workers, whoever is faster.
func opening(t *testing.T, all []errand, at int) iter.Seq[errand] {
	gate := filepath.Join(all[0].Dir, "gate")
	require.NoError(t, syscall.Mkfifo(gate, 0o600))
	return func(yield func(errand) bool) {
		for i, e := range all {
			if i == at {
				go func() {
					if f, err := os.OpenFile(gate, os.O_WRONLY, 0); err == nil {
						f.Close()
					}
				}()
			}
			if !yield(e) {
				return
			}
		}
	}
}

// timesBegun is how often each was begun.
func timesBegun(t *testing.T, dir string) map[string]int {
	times := make(map[string]int)
	text, err := os.ReadFile(filepath.Join(dir, "begun"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		times[strings.TrimSpace(line)]++
	}
	return times
}

func TestDeathAmidAChunkTakesAlongTheItemThatWasBegunAlone(t *testing.T) {
	for retry := range 2 {
		t.Run(fmt.Sprint("retry ", retry), func(t *testing.T) {
			var d diary
			p := newPool(t, 1, pool.Retry(retry), d.option())
			dir := t.TempDir()
			n := 0
			for got, err := range obey.Map(testContext(t), p, slices.Values(errands(dir, 40, map[int]string{17: "die once", 30: "die once"})), pool.Chunk(20)) {
				require.Equal(t, n == 17 || n == 30, err != nil || retry == 1 && (n == 17 || n == 30), "item %d: %v", n, err)
				if err != nil {
					var died *pool.WorkerDied
					require.ErrorAs(t, err, &died)
					require.Equal(t, []any{"obey", 1, syscall.SIGKILL}, []any{died.Task, died.Attempts, died.Signal})
					require.Zero(t, retry)
				} else {
					require.Equal(t, n, got.N)
				}
				n++
			}
			require.Equal(t, 40, n)
			times := timesBegun(t, dir)
			for i := range 40 {
				want := 1
				if i == 17 || i == 30 {
					want += retry
				}
				require.Equal(t, want, times[fmt.Sprint(i)], "item %d", i)
			}
			for _, e := range d.wait(t, pool.WorkerLost, 2) {
				require.Contains(t, []int{17, 30}, e.Input.(errand).N)
				require.Equal(t, "obey", e.Task)
			}
			require.Len(t, d.wait(t, pool.TaskRetried, 2*retry), 2*retry)
			requireWorks(t, p)
		})
	}
}

// What a dead worker had not begun would go to others: not in a pool that is to break. Now and then a worker is handed an input before there are
// others, and what follows is not its own: hence most times, and not each time.
func TestItemsBehindADeathThatBreaksThePoolAreNotMade(t *testing.T) {
	const times = 10
	broken := 0
	for range times {
		p := newPool(t, 2, pool.BreakOnDeath())
		var all []error
		for _, err := range obey.Map(testContext(t), p, slices.Values(errands(t.TempDir(), 20, map[int]string{0: "die"})), pool.Chunk(10)) {
			all = append(all, err)
		}
		require.Len(t, all, 20)
		require.ErrorIs(t, all[0], pool.ErrBroken)
		if errors.Is(all[1], pool.ErrBroken) && errors.Is(all[4], pool.ErrBroken) { // at least half a chunk is the first worker's
			broken++
		}
		require.NoError(t, p.Shutdown(testContext(t)))
	}
	require.Greater(t, broken, times/2)
}

func TestFaultsOfAnItemAreItsOwn(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	dir := t.TempDir()
	do := map[int]string{3: "panic", 4: "goexit", 9: "fail", 10: "call", 11: "panic", 19: "goexit", 25: "call"}
	n := 0
	for got, err := range obey.Map(testContext(t), p, slices.Values(errands(dir, 30, do)), pool.Chunk(10)) {
		switch do[n] {
		case "", "call":
			require.NoError(t, err)
			require.Equal(t, n, got.N)
		case "panic":
			var panicked *pool.PanicError
			require.ErrorAs(t, err, &panicked)
			require.Equal(t, fmt.Sprint(n), panicked.Value)
			require.Contains(t, panicked.Stack, "chunk_process_test.go")
		default:
			var failed *pool.TaskError
			require.ErrorAs(t, err, &failed)
		}
		n++
	}
	require.Equal(t, 30, n)
	require.Subset(t, pids(p), before, "there may be one more, for those that call")
}

// trap is obey for plain memory: what an input has beside its number says what it does.
type trap struct {
	N  int32
	Do trick
}

type trick int32

const (
	tread trick = iota
	stumble
	fall
	vanish
	perish
)

var step = pool.Task("step", func(_ context.Context, s trap) (int64, error) {
	switch s.Do {
	case stumble:
		return 7, errors.New("no")
	case fall:
		panic(s.N)
	case vanish:
		runtime.Goexit()
	case perish:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		blockForEver()
	}
	return int64(s.N), nil
})

func TestWhateverBecomesOfAnItemInARowIsItsOwn(t *testing.T) {
	p := newPool(t, 2)
	tricks := map[int32]trick{3: fall, 4: vanish, 9: stumble, 10: stumble, 37: perish, 77: fall, 99: vanish, 150: perish, 151: perish, 4000: stumble}
	const all = 6000 // more than the outbox has room for
	for _, opts := range [][]pool.MapOption{{pool.Chunk(20)}, {pool.Chunk(3000)}, nil} {
		inputs := func(yield func(trap) bool) {
			for n := int32(0); n < all && yield(trap{n, tricks[n]}); n++ {
			}
		}
		n := int32(0)
		for got, err := range step.Map(testContext(t), p, inputs, opts...) {
			var failed *pool.TaskError
			var panicked *pool.PanicError
			var died *pool.WorkerDied
			switch tricks[n] {
			case tread:
				require.NoError(t, err, n)
				require.EqualValues(t, n, got)
			case stumble, vanish:
				require.ErrorAs(t, err, &failed, n)
			case fall:
				require.ErrorAs(t, err, &panicked, n)
				require.Equal(t, fmt.Sprint(n), panicked.Value)
			case perish:
				require.ErrorAs(t, err, &died, n)
				require.Equal(t, syscall.SIGKILL, died.Signal)
			}
			if err != nil {
				require.Zero(t, got, n)
			}
			n++
		}
		require.EqualValues(t, all, n)
	}
	requireWorks(t, p)
}

func TestSlowItemHoldsUpNoneBehindIt(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "gate"), 0o600))
	do := map[int]string{30: "wait"}
	n := 0
	for got, err := range obey.MapUnordered(testContext(t), p, slices.Values(errands(dir, 100, do)), pool.Chunk(50)) {
		require.NoError(t, err)
		if n++; n == 99 {
			f, err := os.OpenFile(filepath.Join(dir, "gate"), os.O_WRONLY, 0)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		require.Equal(t, n == 100, got.N == 30)
	}
	require.Equal(t, 100, n)
	for i, times := range timesBegun(t, dir) {
		require.Equal(t, 1, times, i)
	}
	require.Equal(t, before, pids(p))
	requireWorks(t, p)
}

func TestMapThatIsLeftBeginsNoMoreOfAChunk(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	dir := t.TempDir()
	n := 0
	inputs := opening(t, errands(dir, 100, map[int]string{45: "wait", 50: "hold"}), 60)
	for _, err := range obey.Map(testContext(t), p, inputs, pool.Chunk(10)) {
		require.NoError(t, err)
		if n++; n == 50 {
			running(t, p, "obey")
			eventually(t, func() bool { return timesBegun(t, dir)["50"] == 1 })
			break
		}
	}
	requireWorks(t, p)
	require.Len(t, timesBegun(t, dir), 51)
	require.Equal(t, before, pids(p))
}

func TestGraceThatEndsAmidAChunkCostsTheWorker(t *testing.T) {
	var d diary
	p := newPool(t, 1, pool.Grace(0), d.option())
	dir := t.TempDir()
	n := 0
	inputs := opening(t, errands(dir, 20, map[int]string{5: "wait", 10: "block"}), 15)
	for _, err := range obey.Map(testContext(t), p, inputs, pool.Chunk(10)) {
		require.NoError(t, err)
		if n++; n == 10 {
			eventually(t, func() bool { return timesBegun(t, dir)["10"] == 1 })
			break
		}
	}
	lost := d.wait(t, pool.WorkerLost, 1)
	require.Equal(t, "obey", lost[0].Task)
	require.Equal(t, 10, lost[0].Input.(errand).N)
	d.wait(t, pool.WorkerStarted, 2)
	requireWorks(t, p)
	require.Len(t, timesBegun(t, dir), 11)
}

func TestWorkerOfAChunkIsReplacedWhenItHasDoneItsShare(t *testing.T) {
	p := newPool(t, 2, pool.TasksPerWorker(3))
	times := make(map[int]int)
	for got, err := range pid.Map(testContext(t), p, slices.Values(make([]struct{}, 20)), pool.Chunk(10)) {
		require.NoError(t, err)
		times[got]++
	}
	for got, n := range times {
		require.LessOrEqual(t, n, 3, got)
	}
}

func TestItemsOfAnySizeGoInChunks(t *testing.T) {
	const limit = 100_000
	p := newPool(t, 2, pool.MaxMessage(limit))
	dir := t.TempDir()
	all := errands(dir, 200, nil)
	for i := range all {
		all[i].Load = bytes.Repeat([]byte{byte(i)}, []int{0, 10, 3000, 16_000, 20_000, 90_000, limit}[i%7])
	}
	for _, chunk := range []int{1, 7, 100} {
		n := 0
		for got, err := range obey.Map(testContext(t), p, slices.Values(all), pool.Chunk(chunk)) {
			if n%7 == 6 {
				require.ErrorIs(t, err, pool.ErrTooLarge)
			} else {
				require.NoError(t, err)
				require.Equal(t, all[n].N, got.N)
				require.True(t, bytes.Equal(all[n].Load, got.Load))
			}
			n++
		}
		require.Equal(t, len(all), n)
	}
}

func TestInputsOfAChunkThatCannotBeEncodedAreTheirOwnError(t *testing.T) {
	p := newPool(t, 1)
	n := 0
	inputs := []any{1, 2, make(chan int), 4, func() {}, 6}
	for got, err := range same.Map(testContext(t), p, slices.Values(inputs), pool.Chunk(6)) {
		if n == 2 || n == 4 {
			require.ErrorIs(t, err, pool.ErrUnencodable)
		} else {
			require.NoError(t, err)
			require.EqualValues(t, inputs[n], got)
		}
		n++
	}
	require.Equal(t, len(inputs), n)
}

var same = pool.Task("same", func(_ context.Context, v any) (any, error) { return v, nil })

func TestMapGoesOnWhileItsWorkersDie(t *testing.T) {
	p := newPool(t, 2)
	dir := t.TempDir()
	do := make(map[int]string)
	for i := 5; i < 300; i += 60 {
		do[i] = "die"
	}
	n := 0
	for got, err := range obey.Map(testContext(t), p, slices.Values(errands(dir, 300, do))) {
		var died *pool.WorkerDied
		require.Equal(t, do[n] == "die", errors.As(err, &died), "item %d: %v", n, err)
		if err == nil {
			require.Equal(t, n, got.N)
		}
		n++
	}
	require.Equal(t, 300, n)
	for i, times := range timesBegun(t, dir) {
		require.Equal(t, 1, times, i)
	}
}

// guess has padding, and a bool, which must be one.
type guess struct {
	Right bool
	N     int64
}

var check = pool.Task("guess again", func(_ context.Context, g guess) (guess, error) {
	if g.N%1000 == 999 {
		return g, errors.New("no")
	}
	return guess{!g.Right, -g.N}, nil
})

func TestItemsWithPaddingGoInChunks(t *testing.T) {
	p := newPool(t, 2)
	const all = 5000
	n := int64(0)
	for got, err := range check.Map(testContext(t), p, func(yield func(guess) bool) {
		for i := int64(0); i < all && yield(guess{i%3 == 0, i}); i++ {
		}
	}) {
		if n%1000 == 999 {
			require.Error(t, err, n)
		} else {
			require.NoError(t, err)
			require.Equal(t, guess{n%3 != 0, -n}, got)
		}
		n++
	}
	require.EqualValues(t, all, n)
}

// Maps of one task hand their memory on.
func TestMapHasNothingOfThoseBefore(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	for round := range 20 {
		n := 0
		for got, err := range echoString.Map(ctx, p, func(yield func(string) bool) {
			for i := 0; i < 2000 && yield(fmt.Sprint(round, " ", i)); i++ {
			}
		}, pool.Chunk(1+round*13)) {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(round, " ", n), got)
			if n++; round%3 == 1 && n == 100*round {
				break
			}
		}
		if round%3 != 1 {
			require.Equal(t, 2000, n)
		}
	}
}
