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
	mu       sync.Mutex // held to begin to refill, and to close
	refills  sync.WaitGroup
}

// Warm starts n children, at least 1, that wait for what they are to do, and returns when they do. The options are those of all of
// them. A child that is handed out is made up for in the background; those that wait die with this process, as all children do.
//
// The context is that of the call alone. Errors are those of Start; then nothing is left.
func (f *Function[A]) Warm(ctx context.Context, n int, opts ...Option) (*Warm[A], error) {
	if n < 1 {
		return nil, fmt.Errorf("proc: warm %q: %w: %d children", f.name, ErrOption, n)
	}
	w := &Warm[A]{function: f, opts: opts, parked: make(chan *Process, n)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	failures := make(chan error, n)
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
	if err != nil {
		return err
	}
	w.parked <- p // there is room for as many as are started
	return nil
}

// refill makes up for a child that was taken. If that fails, a later Start has no child to take, starts one by itself, and says what
// is wrong.
func (w *Warm[A]) refill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() == nil {
		w.refills.Go(func() {
			select {
			case <-time.After(refillPause):
				_ = w.park(w.ctx)
			case <-w.ctx.Done():
			}
		})
	}
}

// refillPause lets the child that was handed out, and who waits for what it does, go first: a start takes the CPUs for longer than that.
const refillPause = 2 * time.Millisecond

// Start has one of the children that wait run the function with args, and returns when it has decoded them. If none waits,
// because more were handed out than could be made up for, it starts one as (*Function).Start does. Its errors are the same, and
// os.ErrClosed after Close.
func (w *Warm[A]) Start(ctx context.Context, args A) (*Process, error) {
	payload, err := w.function.payload(ctx, args)
	if err != nil {
		return nil, fmt.Errorf("proc: start %q: %w", w.function.name, err)
	}
	for {
		if w.ctx.Err() != nil {
			return nil, fmt.Errorf("proc: start %q: warm set: %w", w.function.name, os.ErrClosed)
		}
		select {
		case p := <-w.parked:
			if !p.Alive() { // it was killed while it waited
				w.refill()
				continue
			}
			return w.hand(ctx, p, &args, payload)
		default:
			return w.function.Start(ctx, args, w.opts...)
		}
	}
}

// hand has a child that waits run the function. Only then it is made up for.
func (w *Warm[A]) hand(ctx context.Context, p *Process, args *A, payload []byte) (*Process, error) {
	defer w.refill()
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
