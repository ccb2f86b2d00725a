package queue

import (
	"context"
	"os"
	"sync"
	"time"
)

// deadline is until when the reads, or the writes, of a connection may wait. Those under way have the context that stood when they
// began; it ends at the deadline that stands then.
type deadline struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	over   bool // for good
}

func (d *deadline) begin() { d.ctx, d.cancel = context.WithCancelCause(context.Background()) }

// context is that of a call that begins now.
func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx
}

// set sets the deadline; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	left := time.Until(t)
	if !t.IsZero() && left <= 0 {
		d.cancel(os.ErrDeadlineExceeded)
		return
	}
	if d.ctx.Err() != nil {
		d.begin()
	}
	if t.IsZero() {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer && !d.over { // no other deadline was set meanwhile
			d.cancel(os.ErrDeadlineExceeded)
		}
	})
	d.timer = timer
}

// end ends all calls, for good, and reports whether it was the first to do so.
func (d *deadline) end(cause error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return false
	}
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.ctx.Err() != nil {
		d.begin()
	}
	d.cancel(cause)
	return true
}
