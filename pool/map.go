package pool

import (
	"context"
	"fmt"
	"iter"
)

// ahead is how many times what a worker has at a time Map takes of the inputs before their results are asked for: enough to keep
// the workers busy while one result is slow, and bounded, so that an endless input is no problem.
const ahead = 4

// A MapOption changes how Map, MapUnordered and MapSlice hand out the inputs.
type MapOption func(*mapOptions)

type mapOptions struct{ chunk int }

// Chunk has at most n inputs handed to a worker at a time, however long the tasks take. Less than 1 counts as 1, and more than 65,536 as that. Without it that is as many as take about
// 0.4 ms, as measured, and never more than 8,192.
func Chunk(n int) MapOption { return func(o *mapOptions) { o.chunk = min(max(n, 1), maxChunk) } }

const maxChunk = 1 << 16

// Map runs the task with each input and yields the results in the inputs' order. An error is that of
// its input alone (see Call), and the next ones follow.
//
// Inputs are handed to workers several at a time if their tasks are quick, so that a task costs less than a message; those of tasks that take
// longer than 0.4 ms go one by one. How long they take is measured; before that a Map gives each worker its share of what there is, up to 256
// inputs, if the Map of this task before had quick ones. A task that turns out to be slow holds up none of the inputs behind it for more than
// some 40 ms: they are taken back, and go to other workers. Each is a call by itself in all else: a worker that dies takes along the one that
// it had begun.
//
// At most 4 times as many inputs as the workers are given at a time are under way, or done and not yet asked for: 4 per worker if the tasks are
// long, 32,768 if they are as short as can be. When the loop is left early, the tasks under way are given up. If ctx
// ends before the inputs do, each that was taken yields the context's error, the last one at least,
// and no more are taken.
//
// Inputs and the loop run in turns, by the loop's goroutine: as long as inputs waits for something, no result is yielded, and the context's end
// is not seen. So inputs must not wait for a result of the same Map; calls of which the inputs come one now and then are better made by Go.
func (t *Typed[In, Out]) Map(ctx context.Context, p *Pool, inputs iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	return t.mapped(ctx, p, inputs, true, opts)
}

// MapUnordered is Map, but that it yields the results as they come.
func (t *Typed[In, Out]) MapUnordered(ctx context.Context, p *Pool, inputs iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	return t.mapped(ctx, p, inputs, false, opts)
}

// MapSlice is Map for inputs that are all there already: it returns their results, in the same order, when there are all. It takes a
// fraction of what Map does for tasks that take less than a microsecond, because nothing is done for each input but to copy it to a worker, and its result
// from there to its place.
//
// The error is the *InputError of the first of the inputs that has one; the others are run all the same, and have their results. When
// ctx ends, those that have none yet have its error, and MapSlice returns. The inputs must not change until then.
func (t *Typed[In, Out]) MapSlice(ctx context.Context, p *Pool, inputs []In, opts ...MapOption) ([]Out, error) {
	return newMapping(ctx, t, p, chunkOf(opts), false).runSlice(inputs)
}

// InputError is the error of one of MapSlice's inputs.
type InputError struct {
	Index int // of the input
	Err   error
}

func (e *InputError) Error() string { return fmt.Sprintf("input %d: %v", e.Index, e.Err) }

// Unwrap is what a Call with that input would have returned.
func (e *InputError) Unwrap() error { return e.Err }

func (t *Typed[In, Out]) mapped(
	ctx context.Context, p *Pool, inputs iter.Seq[In], ordered bool, opts []MapOption,
) iter.Seq2[Out, error] {
	chunk := chunkOf(opts)
	return func(yield func(Out, error) bool) {
		m := newMapping(ctx, t, p, chunk, ordered)
		m.takeOver()
		m.grow(m.bound())
		m.run(inputs, yield)
	}
}

func chunkOf(opts []MapOption) int {
	var o mapOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o.chunk
}
