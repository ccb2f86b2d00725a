package pool_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

func echo[T any](_ context.Context, v T) (T, error) { return v, nil }

type profile struct {
	Name   string
	Scores map[string][]float64
	Next   *profile
	Raw    []byte
}

type point struct{ x, y int32 }

var (
	echoString  = pool.Task("echo string", echo[string])
	echoBytes   = pool.Task("echo bytes", echo[[]byte])
	echoMap     = pool.Task("echo map", echo[map[string]int])
	echoProfile = pool.Task("echo profile", echo[profile])
	echoPoint   = pool.Task("echo point", echo[[3]point])
	echoNothing = pool.Task("echo nothing", echo[struct{}])
	complement  = pool.Task("complement", func(_ context.Context, b []byte) ([]byte, error) {
		for i := range b {
			b[i] = ^b[i]
		}
		return b, nil
	})
)

func TestCallReturnsTheResult(t *testing.T) {
	p := newPool(t, 2)
	for n := range 100 {
		got, err := double.Call(testContext(t), p, n)
		require.NoError(t, err)
		require.Equal(t, 2*n, got)
	}
}

func TestInputsAndResultsMayHaveAnyShape(t *testing.T) {
	p := newPool(t, 1)
	requireEcho(t, p, echoString, "Grüße\x00\xff")
	requireEcho(t, p, echoBytes, []byte{0, 1, 255})
	requireEcho(t, p, echoMap, map[string]int{"one": 1, "": -1})
	requireEcho(t, p, echoPoint, [3]point{{1, 2}, {-3, 4}})
	requireEcho(t, p, echoProfile, profile{
		Name: "n", Scores: map[string][]float64{"a": {1, 2.5}}, Raw: []byte("r"), Next: &profile{Name: "m"},
	})
}

func TestInputsAndResultsMayBeEmpty(t *testing.T) {
	p := newPool(t, 1)
	requireEcho(t, p, echoString, "")
	requireEcho(t, p, echoNothing, struct{}{})
	requireEcho(t, p, echoProfile, profile{})
	got, err := echoBytes.Call(testContext(t), p, nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

// Around the sizes at which a message takes one record, or one more.
func TestInputsAndResultsMayHaveAnySize(t *testing.T) {
	p := newPool(t, 1)
	for _, size := range []int{1, 16339, 16340, 16341, 32719, 32720, 32721, 1 << 20} {
		requireEcho(t, p, echoBytes, bytes.Repeat([]byte{byte(size)}, size))
	}
}

func TestFiftyMegabytesGoInAndComeOut(t *testing.T) {
	p := newPool(t, 1)
	in := make([]byte, 50<<20)
	for i := range in {
		in[i] = byte(i % 251)
	}
	got, err := complement.Call(testContext(t), p, in)
	require.NoError(t, err)
	require.Len(t, got, len(in))
	for i, b := range got {
		if b != ^in[i] {
			require.Equal(t, ^in[i], b, "at %d", i)
		}
	}
	requireWorks(t, p)
}

func TestWhatIsLargerThanMaxMessageIsRefused(t *testing.T) {
	p := newPool(t, 1, pool.MaxMessage(100))
	ctx := testContext(t)
	before := pids(p)
	requireEcho(t, p, echoBytes, make([]byte, 100))

	_, err := echoBytes.Call(ctx, p, make([]byte, 101))
	require.ErrorIs(t, err, pool.ErrTooLarge)
	require.EqualError(t, err, `pool: task "echo bytes": its input: too large: 101 bytes, the limit is 100`)

	_, err = zeros.Call(ctx, p, 1<<20)
	require.ErrorIs(t, err, pool.ErrTooLarge)
	require.EqualError(t, err, `pool: task "zeros": its result: too large: 1048576 bytes, the limit is 100`)

	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

var zeros = pool.Task("zeros", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })

func requireEcho[T any](t *testing.T, p *pool.Pool, task *pool.Typed[T, T], v T) {
	t.Helper()
	got, err := task.Call(testContext(t), p, v)
	require.NoError(t, err)
	require.Equal(t, v, got)
}

// batch is a type of which some values cannot be encoded.
type batch struct {
	Name string
	Jobs []any
}

var (
	count = pool.Task("count", func(_ context.Context, b batch) (int, error) { return len(b.Jobs), nil })
	spoil = pool.Task("spoil", func(context.Context, int) (batch, error) {
		return batch{Jobs: []any{1, func() {}}}, nil
	})
	channel = pool.Task("channel", func(context.Context, struct{ Conn struct{ C chan int } }) (int, error) { return 0, nil })
)

func TestInputThatCannotBeEncodedNamesTheFieldAndCostsNothing(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for range 100 {
		_, err := count.Call(testContext(t), p, batch{Jobs: []any{1, "two", make(chan int)}})
		require.ErrorIs(t, err, pool.ErrUnencodable)
		require.ErrorContains(t, err, `pool: task "count": its input: `)
		require.ErrorContains(t, err, "Jobs[2]: chan int cannot be encoded")
	}
	for range 100 {
		got, err := count.Call(testContext(t), p, batch{Jobs: []any{1, "two"}})
		require.NoError(t, err)
		require.Equal(t, 2, got)
	}
	require.Equal(t, before, pids(p))
}

func TestResultThatCannotBeEncodedNamesTheFieldAndCostsNothing(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for range 20 {
		_, err := spoil.Call(testContext(t), p, 0)
		require.ErrorIs(t, err, pool.ErrUnencodable)
		require.ErrorContains(t, err, `pool: task "spoil": its result: `)
		require.ErrorContains(t, err, "Jobs[1]: func() cannot be encoded")
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestTypeThatCannotBeEncodedIsAnErrorOfEachCall(t *testing.T) {
	p := newPool(t, 1)
	for range 2 {
		_, err := channel.Call(testContext(t), p, struct{ Conn struct{ C chan int } }{})
		require.ErrorIs(t, err, pool.ErrUnencodable)
		require.ErrorContains(t, err, `pool: task "channel": `)
		require.ErrorContains(t, err, "Conn.C: chan int cannot be encoded")
	}
	requireWorks(t, p)
}

// fickle is a value whose encoding and decoding do what its text says.
type fickle struct{ text string }

func (f fickle) MarshalBinary() ([]byte, error) {
	switch {
	case f.text == "panic in parent" && !inWorker():
		panic("no")
	case f.text == "error in parent" && !inWorker():
		return nil, errors.New("not me")
	}
	return []byte(f.text), nil
}

func (f *fickle) UnmarshalBinary(b []byte) error {
	f.text = string(b)
	switch f.text {
	case "reading fails in worker":
		if inWorker() {
			return errors.New("not me")
		}
	case "reading panics in worker":
		if inWorker() {
			panic("no")
		}
	case "reading exits in worker":
		if inWorker() {
			os.Exit(3)
		}
	case "reading exits":
		os.Exit(3)
	case "reading fails in parent":
		if !inWorker() {
			return errors.New("not me")
		}
	case "reading panics in parent":
		if !inWorker() {
			panic("no")
		}
	}
	return nil
}

var echoFickle = pool.Task("echo fickle", echo[fickle])

// nestedFickle has the pool in which it runs echo one.
var nestedFickle = pool.Task("nested fickle", func(ctx context.Context, text string) (string, error) {
	f, err := echoFickle.Call(ctx, pool.Current(ctx), fickle{text})
	return f.text, err
})

func TestInputThatDoesNotWantToBeEncodedIsAnError(t *testing.T) {
	p := newPool(t, 1)
	for _, text := range []string{"panic in parent", "error in parent"} {
		_, err := echoFickle.Call(testContext(t), p, fickle{text})
		require.ErrorIs(t, err, pool.ErrUnencodable, text)
		for _, err := range echoFickle.Map(testContext(t), p, func(yield func(fickle) bool) { yield(fickle{text}) }) {
			require.ErrorIs(t, err, pool.ErrUnencodable, text)
		}
	}
	requireEcho(t, p, echoFickle, fickle{"fine"})
}

func TestWhatCannotBeDecodedIsAnErrorOfItsCallAlone(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for _, where := range []string{"worker", "parent"} {
		for _, text := range []string{"reading fails in " + where, "reading panics in " + where} {
			_, err := echoFickle.Call(testContext(t), p, fickle{text})
			require.ErrorIs(t, err, pool.ErrUndecodable, text)
			require.ErrorContains(t, err, `pool: task "echo fickle": its `)
		}
	}
	requireEcho(t, p, echoFickle, fickle{"fine"})
	require.Equal(t, before, pids(p))
}

func TestWorkerThatExitsWhileItDecodesHasDied(t *testing.T) {
	p := newPool(t, 1)
	_, err := echoFickle.Call(testContext(t), p, fickle{"reading exits in worker"})
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, 3, died.Code)
	requireEcho(t, p, echoFickle, fickle{"fine"})
}

// Tasks that a worker's program may know otherwise than the parent's.
const registryVariable = "POOL_TEST_REGISTRY"

var (
	onlyInParent *pool.Typed[int, int]
	twoFaced     *pool.Typed[int64, int64]
)

func init() {
	if os.Getenv(registryVariable) == "" {
		onlyInParent = pool.Task("only in parent", echo[int])
		twoFaced = pool.Task("two-faced", echo[int64])
	} else {
		pool.Task("two-faced", func(_ context.Context, v float64) (float64, error) { return v, nil })
	}
}

func TestTaskThatTheWorkerDoesNotKnowIsNamed(t *testing.T) {
	p := newPool(t, 1, pool.Process(proc.Env(registryVariable+"=other")))
	before := pids(p)
	_, err := onlyInParent.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrNotRegistered)
	require.ErrorContains(t, err, `"only in parent"; it has channel, close all segments, complement, count`)
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestTaskThatTheWorkerKnowsWithOtherTypesIsNotRun(t *testing.T) {
	p := newPool(t, 1, pool.Process(proc.Env(registryVariable+"=other")))
	_, err := twoFaced.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrUndecodable)
	require.ErrorContains(t, err, `pool: task "two-faced"`)
	require.ErrorContains(t, err, "call_process_test.go:")
	requireWorks(t, p)
}

func TestTwoTasksOfOneNameNameBothPlaces(t *testing.T) {
	defer func() {
		text, _ := recover().(string)
		require.Regexp(t, `pool: Task\("double"\) at .*call_process_test.go:\d+: the name is taken by Task\("double"\) at .*main_test.go:\d+`, text)
	}()
	pool.Task("double", echo[int])
}

func TestTaskNeedsANameAndAFunction(t *testing.T) {
	require.Panics(t, func() { pool.Task("", echo[int]) })
	require.Panics(t, func() { pool.Task[int, int]("no function", nil) })
}

// What a worker died of does the same in no parent, whoever asks for the input.
func TestAnInputThatIsDeadlyToReadIsNotReadByTheParent(t *testing.T) {
	var lost []pool.Event
	p := newPool(t, 2, pool.OnEvent(func(e pool.Event) {
		if e.Kind == pool.WorkerLost {
			lost = append(lost, e)
		}
	}))
	in := fickle{"reading exits"}
	_, err := echoFickle.Call(testContext(t), p, in)
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	_, err = nestedFickle.Call(testContext(t), p, in.text)
	require.ErrorAs(t, err, &died)
	shutDown(t, p)
	require.Len(t, lost, 2)
	require.Equal(t, in, lost[0].Input, "that of a Call is at hand")
	require.Nil(t, lost[1].Input)
}

// An OnEvent that panics, or ends its goroutine, harms nobody.
func TestAnEventIsToldApart(t *testing.T) {
	kinds := make(chan pool.EventKind, 100)
	p := newPool(t, 1, pool.OnEvent(func(e pool.Event) {
		kinds <- e.Kind
		if e.Kind == pool.WorkerLost {
			runtime.Goexit()
		}
		panic("in an event")
	}))
	require.Equal(t, pool.WorkerStarted, <-kinds)
	_, err := echoFickle.Call(testContext(t), p, fickle{"reading exits"})
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, pool.WorkerLost, <-kinds)
	require.Equal(t, pool.WorkerStarted, <-kinds)
	requireWorks(t, p)
}
