package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A Warm is children that were started ahead: they have found their function, are attached to their segments, and wait for
// their arguments. To start one of them takes no longer than to send these. It is made by Warm, and may be used by
// any number of goroutines.
type Warm[A any] struct {
	function *Function[A]
	opts     []Option
	parked   chan *Process
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	mu       sync.Mutex // held to begin to refill, to add one to parked, and to close
	coming   int        // children that are being started for parked
	refills  sync.WaitGroup
}

// Warm starts n children, at least 1, that wait for what they are to do, and returns when they do. The options are those of all of
// them. A child that is handed out is made up for in the background, and if it cannot be started, again with each later Start; those that
// wait die with this process, as all children do.
//
// The context is that of the call alone. Errors are those of Start; then nothing is left.
func (f *Function[A]) Warm(ctx context.Context, n int, opts ...Option) (*Warm[A], error) {
	if n < 1 {
		return nil, fmt.Errorf("proc: warm %q: %w: %d children", f.name, ErrOption, n)
	}
	w := &Warm[A]{function: f, opts: opts, parked: make(chan *Process, n)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	failures := make(chan error, n)
	w.coming = n
	for range n {
		w.refills.Go(func() { failures <- w.park(ctx) })
	}
	w.refills.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// park starts a child that waits.
func (w *Warm[A]) park(ctx context.Context) error {
	o := w.function.options(w.opts)
	o.parked = true
	p, err := w.function.start(ctx, nil, o)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.coming--
	if err == nil {
		w.parked <- p // for which there is room
	}
	return err
}

// refill makes up for the children that were taken, those included that could not be made up for before. If that fails, a later Start
// has no child to take, starts one by itself, says what is wrong, and refills again.
func (w *Warm[A]) refill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.ctx.Err() == nil && w.coming+len(w.parked) < cap(w.parked) {
		w.coming++
		w.refills.Go(func() {
			select {
			case <-time.After(refillPause):
			case <-w.ctx.Done(): // so park starts nothing
			}
			_ = w.park(w.ctx)
		})
	}
}

// refillPause lets the child that was handed out, and who waits for what it does, go first: a start takes the CPUs for longer than that.
const refillPause = 2 * time.Millisecond

// Start has one of the children that wait run the function with args, and returns when it has decoded them. If none waits,
// because more were handed out than could be made up for, or the one that was taken is just dying, it starts one as (*Function).Start does. Its errors are the same, and
// os.ErrClosed after Close.
func (w *Warm[A]) Start(ctx context.Context, args A) (*Process, error) {
	payload, err := w.function.payload(ctx, args)
	if err != nil {
		return nil, fmt.Errorf("proc: start %q: %w", w.function.name, err)
	}
	defer w.refill() // only then, lest it take the CPUs from the start
	for {
		if w.ctx.Err() != nil {
			return nil, fmt.Errorf("proc: start %q: warm set: %w", w.function.name, os.ErrClosed)
		}
		select {
		case p := <-w.parked:
			if !p.Alive() { // it was killed while it waited
				continue
			}
			p, err := w.hand(ctx, p, &args, payload)
			if _, ended := errors.AsType[*ExitError](err); ended && ctx.Err() == nil {
				return w.function.Start(ctx, args, w.opts...) // perhaps it was killed a moment ago; or the arguments are what it died of
			}
			return p, err
		default:
			return w.function.Start(ctx, args, w.opts...)
		}
	}
}

// hand has a child that waits run the function.
func (w *Warm[A]) hand(ctx context.Context, p *Process, args *A, payload []byte) (*Process, error) {
	release, err := hold(ctx, args)
	if err == nil {
		defer release()
		err = p.run(ctx, payload)
	} else {
		_ = p.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("proc: start %q: %w", p.name, err)
	}
	return p, nil
}

// Close ends the children that wait, and returns when they are reaped. Those that were handed out go on. After the first call it
// does nothing.
func (w *Warm[A]) Close() error {
	w.mu.Lock()
	w.cancel()
	w.mu.Unlock()
	w.refills.Wait()
	for {
		select {
		case p := <-w.parked:
			_ = p.Close()
		default:
			return nil
		}
	}
}
