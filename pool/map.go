package pool

import (
	"context"
	"iter"
)

// ahead is how many times what a worker has at a time Map takes of the inputs before their results are asked for: enough to keep
// the workers busy while one result is slow, and bounded, so that an endless input is no problem.
const ahead = 4

// A MapOption changes how Map and MapUnordered hand out the inputs.
type MapOption func(*mapOptions)

type mapOptions struct{ chunk int }

// Chunk has at most n inputs handed to a worker at a time, at least 1, however long the tasks take. Without it that is as many as take about
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

func (t *Typed[In, Out]) mapped(
	ctx context.Context, p *Pool, inputs iter.Seq[In], ordered bool, opts []MapOption,
) iter.Seq2[Out, error] {
	var o mapOptions
	for _, opt := range opts {
		opt(&o)
	}
	return func(yield func(Out, error) bool) {
		newMapping(ctx, t, p, o.chunk, ordered).run(inputs, yield)
	}
}
