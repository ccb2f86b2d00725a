package crashcases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/pool"
)

// quitter is a crew whose call 1, or a Map of calls 1 and 2, is given up when the worker sleeps in call 1: it is
// stepped from within that, over the news that nobody waits any more and what it replies to that, into call 3.
type quitter struct {
	crew
	many  bool
	give  context.CancelFunc
	given bool
}

var errSilent = errors.New("the Map ended and yielded nothing")

func (q *quitter) first(*crashlab.Actor) error {
	var ctx context.Context
	ctx, q.give = context.WithTimeout(context.Background(), patience)
	q.calls[1] = &pending{done: make(chan struct{})}
	if !q.many {
		go q.one(ctx, 1)
		return nil
	}
	q.calls[2] = &pending{done: make(chan struct{})}
	go func() {
		n := 1
		for out, err := range heed.Map(ctx, q.pool, slices.Values([]int{1, 2}), pool.Chunk(2)) {
			q.settle(n, out, err)
			n++
		}
		why := q.calls[1].err // a Map that is given up ends there
		if n == 1 {
			why = errSilent
		}
		for ; n <= 2; n++ {
			q.settle(n, 0, why)
		}
	}()
	return nil
}

func (q *quitter) one(ctx context.Context, n int) {
	out, err := heed.Call(ctx, q.pool, n)
	q.settle(n, out, err)
}

func (q *quitter) settle(n, out int, err error) {
	q.calls[n].out.N, q.calls[n].err = out, err
	close(q.calls[n].done)
}

// quit gives up what is under way. That returns at once, whatever the worker does, which has to do with call 3 next.
func (q *quitter) quit(a *crashlab.Actor) error {
	q.given = true
	q.give()
	if err := q.over(a, 1, 2); err != nil {
		return err
	}
	q.calls[3] = &pending{done: make(chan struct{})}
	go q.one(context.Background(), 3)
	return nil
}

// over waits for the ends of those calls that were made.
func (q *quitter) over(a *crashlab.Actor, numbers ...int) error {
	for _, n := range numbers {
		if q.calls[n] == nil {
			continue
		}
		select {
		case <-q.calls[n].done:
		case <-a.Ctx.Done():
			return fmt.Errorf("call %d: %w", n, a.Ctx.Err())
		}
	}
	return nil
}

// finish waits for the calls of a worker that nobody killed.
func (q *quitter) finish(a *crashlab.Actor) error {
	if err := q.over(a, 1, 2, 3); err != nil {
		return err
	}
	for n := 1; n <= 2; n++ {
		if q.calls[n] != nil && !errors.Is(q.calls[n].err, context.Canceled) {
			return fmt.Errorf("call %d, given up: %w", n, q.calls[n].err)
		}
	}
	return q.rightly(3)
}

// rightly reports whether the call has returned what it is to return.
func (q *quitter) rightly(n int) error {
	if p := q.calls[n]; p.err != nil || p.out.N != n {
		return fmt.Errorf("call %d returned %d, %w", n, p.out.N, p.err)
	}
	return nil
}

// The states of the worker's part: in call 1, behind the caller's leaving, in call 3.
var quitterStates = []string{"call 1 begun", "call 1 given up", "call 3 begun"}

func (q *quitter) check(a *crashlab.Actor) (string, error) {
	if err := q.over(a, 1, 2, 3); err != nil {
		return "", err
	}
	reached, err := q.outcome(a)
	if err != nil {
		return "", err
	}
	next, err := echo.Call(a.Ctx, q.pool, job{N: 4})
	if err != nil || next.N != 4 {
		return "", fmt.Errorf("the next call: %d, %w", next.N, err)
	}
	if n := len(q.started()); n != 2 {
		return "", fmt.Errorf("there were %d workers", n)
	}
	return quitterStates[reached], q.gone(a)
}

// outcome says which of the states the worker had reached.
func (q *quitter) outcome(a *crashlab.Actor) (reached int, err error) {
	for n := 1; n <= 3; n++ {
		p := q.calls[n]
		if p == nil {
			continue
		}
		least, most := 1, 1
		var lost bool
		switch {
		case n < 3 && q.given:
			if !errors.Is(p.err, context.Canceled) {
				return 0, fmt.Errorf("call %d, given up: %w", n, p.err)
			}
			least, most = 2-n, 2-n // the one behind call 1 is not begun
		default:
			if lost, err = died(p, 1); err == nil && !lost {
				err = q.rightly(n)
			}
			if err == nil && lost != (n == 1) && n < 3 {
				err = fmt.Errorf("lost: %v", lost)
			}
			if err != nil {
				return 0, fmt.Errorf("call %d: %w", n, err)
			}
			if lost && n == 3 {
				least = 0 // it was claimed, and not begun
			}
		}
		times, err := noted(a, fmt.Sprint(n))
		if err != nil {
			return 0, err
		}
		if times < least || times > most {
			return 0, fmt.Errorf("call %d was begun %d times, and not %d to %d", n, times, least, most)
		}
		if n == 3 && lost {
			return 2, nil
		}
	}
	if q.given {
		return 1, nil
	}
	return 0, nil
}

func (q *quitter) leave(a *crashlab.Actor) error {
	if q.give != nil {
		q.give()
	}
	return q.crew.leave(a)
}

func cancelCases() []crashlab.Case {
	play := func(many bool) func() crashlab.Play {
		return func() crashlab.Play {
			// The worker is stepped for longer than any grace.
			q := &quitter{crew: crew{task: echo, opts: []pool.Option{pool.Grace(-1)}}, many: many}
			return crashlab.Play{
				Bare: true, Foreign: q.start, Victim: q.first, Unblock: q.quit, Finish: q.finish,
				Recover: q.hear, Check: q.check, Leave: q.leave,
			}
		}
	}
	return []crashlab.Case{
		{
			Name:   "pool.Typed.Call, given up, its worker dies",
			Covers: []string{"pool.Typed.Call"},
			States: quitterStates,
			Play:   play(false),
		},
		{
			Name:   "pool.Typed.Map, given up, its worker dies",
			Covers: []string{"pool.Typed.Map"},
			States: quitterStates,
			Play:   play(true),
		},
	}
}
