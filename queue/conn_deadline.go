package queue

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// deadline is until when the reads, or the writes, of a connection may wait. Those under way have the span that stood when they
// began; it ends at the deadline that stands then.
type deadline struct {
	mu    sync.Mutex
	span  atomic.Pointer[span]
	timer *time.Timer
	over  bool // for good

	glance func() bool // of all spans
}

func (d *deadline) begin() { d.span.Store(&span{glance: d.glance}) }

// context is that of a call that begins now.
func (d *deadline) context() *span { return d.span.Load() }

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
	if !t.IsZero() {
		left := time.Until(t)
		if left <= 0 {
			d.span.Load().end(os.ErrDeadlineExceeded)
			return
		}
		defer d.expireIn(left)
	}
	if d.span.Load().Err() != nil {
		d.begin()
	}
}

// expireIn sets the timer.
func (d *deadline) expireIn(left time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer && !d.over { // no other deadline was set meanwhile
			d.span.Load().end(os.ErrDeadlineExceeded)
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
	if d.span.Load().Err() != nil {
		d.begin()
	}
	d.span.Load().end(cause)
	return true
}

// span is the context of the calls of one deadline. net/http ends a read with every request, so it is small, and tells those who wait
// of its end without a goroutine in between.
type span struct {
	glance func() bool           // whether a call may go on, for who looks in its place; nil: nobody knows
	cause  atomic.Pointer[error] // why it ended; nil: it has not
	mu     sync.Mutex
	done   chan struct{} // nil: nobody has asked for it
	heeds  *heed
}

// heed is who is to be told.
type heed struct {
	f    func()
	next *heed
}

var (
	_ context.Context = (*span)(nil)
	_ segment.Glancer = (*span)(nil)
)

// Deadline is not known: another one may be set at any time.
func (s *span) Deadline() (time.Time, bool) { return time.Time{}, false }

// Glance is for the hub: see segment.Glancer.
func (s *span) Glance() func() bool { return s.glance }

// Value is nil.
func (s *span) Value(any) any { return nil }

// Err is context.Canceled when it has ended; why, says because.
func (s *span) Err() error {
	if s.cause.Load() == nil {
		return nil
	}
	return context.Canceled
}

// because is why it ended, nil if it has not.
func (s *span) because() error {
	if cause := s.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}

// Done is closed at the end.
func (s *span) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.cause.Load() != nil {
			close(s.done)
		}
	}
	return s.done
}

// end ends it, once.
func (s *span) end(cause error) {
	if !s.cause.CompareAndSwap(nil, &cause) {
		return
	}
	s.mu.Lock()
	if s.done != nil {
		close(s.done)
	}
	heeds := s.heeds
	s.heeds = nil
	s.mu.Unlock()
	for h := heeds; h != nil; h = h.next {
		h.f()
	}
}

// AfterFunc has f called at the end, by who ends it; f does not block. See context.AfterFunc, which calls it, too.
func (s *span) AfterFunc(f func()) (stop func() bool) {
	h := &heed{f: f}
	s.mu.Lock()
	over := s.cause.Load() != nil
	if !over {
		h.next, s.heeds = s.heeds, h
	}
	s.mu.Unlock()
	if over {
		f()
	}
	return func() bool { return s.forget(h) }
}

// forget takes h back, and reports whether it was not told.
func (s *span) forget(h *heed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := &s.heeds; *at != nil; at = &(*at).next {
		if *at == h {
			*at = h.next
			return true
		}
	}
	return false
}
