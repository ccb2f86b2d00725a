package pool

import (
	"context"
	"iter"
	"sync"
)

// ahead is how many inputs Map takes per worker before their results are asked for: enough to keep
// the workers busy while one result is slow, and bounded, so that an endless input is no problem.
const ahead = 4

// Map runs the task with each input and yields the results in the inputs' order. An error is that of
// its input alone (see Call), and the next ones follow. At most 4 inputs per worker are under way or
// done and not yet asked for. When the loop is left early, the tasks under way are given up. If ctx
// ends before the inputs do, each that was taken yields the context's error, the last one at least,
// and no more are taken.
func (t *Typed[In, Out]) Map(ctx context.Context, p *Pool, inputs iter.Seq[In]) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		width := p.Size()
		var wg sync.WaitGroup
		jobs := make(chan job[In, Out], ahead*width)
		defer wg.Wait()
		defer close(jobs)
		defer cancel()
		for range width {
			wg.Go(func() {
				for j := range jobs {
					out, err := t.Call(ctx, p, j.in)
					j.reply <- result[Out]{out, err}
				}
			})
		}
		var queue []chan result[Out] // of the inputs under way, oldest first
		pop := func() bool {
			r := <-queue[0]
			queue = queue[1:]
			return yield(r.out, r.err)
		}
		for in := range inputs {
			if len(queue) == cap(jobs) && !pop() {
				return
			}
			reply := make(chan result[Out], 1)
			jobs <- job[In, Out]{in, reply} // has room: no more than its capacity are under way
			queue = append(queue, reply)
			if ctx.Err() != nil {
				break // not before in was taken: its error says that the results end here
			}
		}
		for len(queue) > 0 {
			if !pop() {
				return
			}
		}
	}
}

// MapUnordered is Map, but that it yields the results as they come.
func (t *Typed[In, Out]) MapUnordered(ctx context.Context, p *Pool, inputs iter.Seq[In]) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		width := p.Size()
		var wg sync.WaitGroup
		jobs := make(chan In, ahead*width)
		results := make(chan result[Out], cap(jobs)) // has room: no more are under way
		defer wg.Wait()
		defer close(jobs)
		defer cancel()
		for range width {
			wg.Go(func() {
				for in := range jobs {
					out, err := t.Call(ctx, p, in)
					results <- result[Out]{out, err}
				}
			})
		}
		underWay := 0
		pop := func() bool {
			r := <-results
			underWay--
			return yield(r.out, r.err)
		}
		for in := range inputs {
			for underWay == cap(jobs) || len(results) > 0 {
				if !pop() {
					return
				}
			}
			jobs <- in
			underWay++
			if ctx.Err() != nil {
				break // not before in was taken: its error says that the results end here
			}
		}
		for underWay > 0 {
			if !pop() {
				return
			}
		}
	}
}

type job[In, Out any] struct {
	in    In
	reply chan result[Out]
}

type result[Out any] struct {
	out Out
	err error
}
