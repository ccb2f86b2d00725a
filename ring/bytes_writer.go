package ring

import (
	"context"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// BytesWriter is the writing end of a Bytes ring. One goroutine at a time may use it.
type BytesWriter struct {
	ring     *Bytes
	pos      uint64 // of the next record
	at       uint64 // pos modulo the ring's size
	free     uint64 // bytes from pos on that are known to be free
	reserved uint64 // bytes that Reserve gave out and Commit has not taken; -1: none
	end      end
}

const nothing = ^uint64(0)

// Writer takes the writing end. It fails with ErrBusy while a process that lives has it, and with
// ErrClosed if it was closed before. A successor of a dead writer goes on behind its last record.
func (b *Bytes) Writer(opts ...EndOption) (*BytesWriter, error) {
	w := &BytesWriter{ring: b, reserved: nothing, end: newEnd(b.object, b.control, closedWriter, opts)}
	if err := w.end.take(); err != nil {
		return nil, w.end.wrap("take writing end of", err)
	}
	pos, err := b.read()
	if err == nil {
		pos, err = b.written(pos)
	}
	if err != nil {
		w.end.drop()
		return nil, w.end.wrap("find the end of", err)
	}
	w.pos, w.at = pos, pos%b.size
	return w, nil
}

// Reserve returns n bytes of the ring to write a record into, and blocks until there is room. They
// are the caller's until Commit, or until the next Reserve, which takes them back; what stands in
// them before they are written is undefined. n is from 0 to Cap. Errors: ErrTooLarge, ErrClosed,
// ErrPeerDied (once for each reader that died while the ring was full), ErrCorrupt, and the
// context's.
func (w *BytesWriter) Reserve(ctx context.Context, n int) ([]byte, error) {
	w.reserved = nothing
	if n < 0 || n > w.ring.Cap() {
		return nil, w.end.wrap("reserve in", fmt.Errorf("%d bytes of %d: %w", n, w.ring.Cap(), ErrTooLarge))
	}
	need := recordSize(uint64(n)) + recordHeader
	ok, err := w.ready(need, true)
	if !ok && err == nil {
		err = w.end.wait(ctx, func(exact bool) (bool, error) { return w.ready(need, exact) })
	}
	if err != nil {
		return nil, w.end.wrap("reserve in", err)
	}
	if race.Enabled {
		w.end.race.Acquire(racePosition)
	}
	w.reserved = uint64(n)
	return w.ring.payload(w.at, uint64(n)), nil
}

// TryReserve is Reserve for those who do not wait: without room it returns nil and no error.
func (w *BytesWriter) TryReserve(n int) ([]byte, error) {
	w.reserved = nothing
	if n < 0 || n > w.ring.Cap() {
		return nil, w.end.wrap("reserve in", fmt.Errorf("%d bytes of %d: %w", n, w.ring.Cap(), ErrTooLarge))
	}
	ok, err := w.ready(recordSize(uint64(n))+recordHeader, true)
	if !ok {
		return nil, w.end.wrap("reserve in", err)
	}
	if race.Enabled {
		w.end.race.Acquire(racePosition)
	}
	w.reserved = uint64(n)
	return w.ring.payload(w.at, uint64(n)), nil
}

// Commit publishes the first m bytes of what Reserve returned as one record. It never blocks. It
// panics if m is not from 0 to what was reserved.
func (w *BytesWriter) Commit(m int) {
	if w.reserved == nothing || m < 0 || uint64(m) > w.reserved {
		panic(fmt.Sprintf("ring: commit of %d bytes, %d are reserved", m, int64(w.reserved)))
	}
	w.reserved = nothing
	size := recordSize(uint64(m))
	header, next := w.ring.header(w.at), w.ring.behind(w.at, size)
	futex.Publish(w.ring.header(next), 0) // no further record yet; stored before the publish below
	if race.Enabled {
		w.end.race.Release(raceItems + w.at/recordAlign)
	}
	if w.end.plain() {
		futex.Publish(header, uint64(m)+1) // pairs with the load in (*Bytes).record
	} else {
		header.Store(uint64(m) + 1)
	}
	w.pos += size
	w.at = next
	w.free -= size
	if !w.end.peer.Idle() {
		w.end.signal()
	}
	runtime.KeepAlive(w)
}

// ready reports whether need bytes are free.
func (w *BytesWriter) ready(need uint64, exact bool) (bool, error) {
	if err := w.end.usable(); err != nil {
		return false, err
	}
	if w.end.peerClosed() {
		return false, ErrClosed
	}
	if w.free >= need {
		return true, nil
	}
	c := w.ring.control
	// given may lie further back than what was seen of the exact position before.
	if used := w.pos - c.given.Load(); used <= w.ring.size {
		w.free = max(w.free, w.ring.size-used)
	}
	if w.free >= need || !exact {
		return w.free >= need, nil
	}
	read := c.position.Load()
	used := w.pos - read
	if used > w.ring.size {
		return false, fmt.Errorf("reader at %d, writer at %d: %w", read, w.pos, ErrCorrupt)
	}
	w.free = w.ring.size - used
	return w.free >= need, nil
}

// PeerGone tells the writer that the process at the other end is gone for good, of which the caller
// has proof of its own: a Reserve that waits for room, now or later, returns ErrPeerDied, whoever the
// ring itself takes for its reader. Any goroutine may call it.
func (w *BytesWriter) PeerGone() { w.end.peerGone() }

// Close ends the stream: the reader drains what there is and then gets ErrClosed. What is reserved
// and not committed is dropped. It fails with ErrClosed if this end is closed.
func (w *BytesWriter) Close() error {
	w.reserved = nothing
	return w.end.wrap("close writing end of", w.end.shut())
}
