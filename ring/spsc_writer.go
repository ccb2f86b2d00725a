package ring

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// Writer is the writing end of an SPSC ring. One goroutine at a time may use it.
type Writer[T any] struct {
	slots []slot[T]
	pos   uint64 // of the next value
	index uint64 // pos modulo the capacity, but the capacity itself right before a wrap

	// limit is up to where push needs no look at anything else: the end of the room that was seen,
	// or of the slots. It stays at pos as long as every push must fence, and is 0 after Close of the
	// segment, which happens on another goroutine.
	limit atomic.Uint64

	end  end
	ring *SPSC[T]
	off  func() // takes the closer off the segment
}

// Writer takes the writing end. It fails with ErrBusy while a process that lives has it, and with
// ErrClosed if it was closed before. A successor of a dead writer goes on behind its last value.
func (r *SPSC[T]) Writer(opts ...EndOption) (*Writer[T], error) {
	w := &Writer[T]{slots: r.slots, ring: r, end: r.writerEnd(opts)}
	if err := w.end.take(); err != nil {
		return nil, w.end.wrap("take writing end of", err)
	}
	w.pos = r.written(r.control.position.Load())
	w.index = w.pos % r.capacity
	w.off = r.seg.OnClose(func() { w.limit.Store(0) })
	return w, nil
}

// Push appends v. It blocks while the ring is full. Errors: ErrClosed, ErrPeerDied (once for each
// reader that died while the ring was full), ErrCorrupt, and the context's.
func (w *Writer[T]) Push(ctx context.Context, v T) error {
	if w.pos >= w.limit.Load() {
		return w.pushSlow(ctx, v)
	}
	s := &w.slots[w.index]
	s.value = v
	if race.Enabled {
		w.end.race.Release(raceItems + w.index)
	}
	futex.Publish(&s.sequence, w.pos+1) // pairs with the load in (*Reader).Pop
	w.pos++
	w.index++
	if !w.end.peer.Idle() {
		w.signal()
	}
	if w.end.cut() {
		return w.lost()
	}
	runtime.KeepAlive(w)
	return nil
}

// lost reports that the segment was closed under a push, which may have come too late.
func (w *Writer[T]) lost() error { return w.end.wrap("push to", w.end.usable()) }

// signal wakes the reader. A mark that stays asks to look at the ring before each push from now on:
// the reader needs fences, or it closed.
func (w *Writer[T]) signal() {
	if w.end.signal() {
		w.limit.Store(0)
	}
}

// TryPush appends v if there is room, and reports whether it did. It never blocks.
func (w *Writer[T]) TryPush(v T) (bool, error) {
	if w.pos >= w.limit.Load() {
		if ok, err := w.ready(true); !ok {
			return false, w.end.wrap("push to", err)
		}
		err := w.store(v)
		return err == nil, err
	}
	err := w.Push(context.Background(), v)
	return err == nil, err
}

// PushN appends the values in their order, and blocks while there is no room for the next. It
// returns how many it pushed, which is all unless there is an error.
func (w *Writer[T]) PushN(ctx context.Context, vs []T) (int, error) {
	for i, v := range vs {
		if err := w.Push(ctx, v); err != nil {
			return i, err
		}
	}
	return len(vs), nil
}

func (w *Writer[T]) pushSlow(ctx context.Context, v T) error {
	ok, err := w.ready(true)
	if !ok && err == nil {
		err = w.end.wait(ctx, w.ready)
	}
	if err != nil {
		return w.end.wrap("push to", err)
	}
	return w.store(v)
}

// store puts v into a slot that is free and fences, whatever limit says.
func (w *Writer[T]) store(v T) error {
	s := &w.slots[w.index]
	s.value = v
	if race.Enabled {
		w.end.race.Release(raceItems + w.index)
	}
	s.sequence.Store(w.pos + 1)
	w.pos++
	w.index++
	if !w.end.peer.Idle() {
		w.signal()
	}
	if w.end.cut() {
		return w.lost()
	}
	return nil
}

// ready sets index and limit anew, and reports whether there is room for one value. The reader's
// exact position is looked at only if asked, because it changes with every value read.
func (w *Writer[T]) ready(exact bool) (bool, error) {
	if err := w.end.usable(); err != nil {
		return false, err
	}
	if w.end.peerClosed() {
		return false, ErrClosed
	}
	c := w.ring.control
	capacity := w.ring.capacity
	used := w.pos - c.given.Load()
	if used >= capacity {
		// given may lie further back than what was seen of the exact position before.
		if !exact {
			return false, nil
		}
		read := c.position.Load()
		if used = w.pos - read; used > capacity {
			return false, fmt.Errorf("reader at %d, writer at %d: %w", read, w.pos, ErrCorrupt)
		}
		if used == capacity {
			return false, nil
		}
	}
	if race.Enabled {
		w.end.race.Acquire(racePosition)
	}
	w.index = w.pos % capacity
	if w.end.plain() {
		w.limit.Store(w.pos + min(capacity-used, capacity-w.index))
		if w.end.seg.IsClosed() {
			w.limit.Store(0)
		}
	}
	return true, nil
}

// Len is how many values the reader has not taken yet.
func (w *Writer[T]) Len() int {
	return int(min(w.pos-w.ring.control.position.Load(), w.ring.capacity))
}

// Cap is how many values the ring holds.
func (w *Writer[T]) Cap() int { return w.ring.Cap() }

// Close ends the stream: the reader drains what there is and then gets ErrClosed. The ring cannot be
// written to any more. It fails with ErrClosed if this end is closed.
func (w *Writer[T]) Close() error {
	err := w.end.shut()
	if err == nil {
		w.limit.Store(0)
		w.off()
	}
	return w.end.wrap("close writing end of", err)
}
