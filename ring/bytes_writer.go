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
	first    uint64 // offset of the first record that was appended and not published
	length   uint64 // that record's header, which publishes it and those behind it; 0: there is none
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
// are the caller's until Commit or Append, or until the next Reserve, which takes them back; what stands
// in them before they are written is undefined. n is from 0 to Cap. If it must wait, it first publishes
// what was appended. Errors: ErrTooLarge, ErrClosed, ErrPeerDied (once for each reader that died while
// the ring was full), ErrCorrupt, and the context's.
func (w *BytesWriter) Reserve(ctx context.Context, n int) ([]byte, error) {
	need, err := w.reservable(n)
	ok := false
	if err == nil {
		ok, err = w.ready(need, true)
	}
	if !ok && err == nil {
		w.Flush()
		err = w.end.wait(ctx, func(exact bool) (bool, error) { return w.ready(need, exact) })
	}
	if err != nil {
		return nil, w.end.wrap("reserve in", err)
	}
	return w.reserve(uint64(n)), nil
}

// TryReserve is Reserve for those who do not wait: without room it returns nil and no error. It
// publishes nothing.
func (w *BytesWriter) TryReserve(n int) ([]byte, error) {
	need, err := w.reservable(n)
	ok := false
	if err == nil {
		ok, err = w.ready(need, true)
	}
	if !ok {
		return nil, w.end.wrap("reserve in", err)
	}
	return w.reserve(uint64(n)), nil
}

// reservable takes back what is reserved, and returns how many bytes must be free for a record of n.
func (w *BytesWriter) reservable(n int) (need uint64, err error) {
	w.reserved = nothing
	if n < 0 || uint64(n) > w.ring.size-overhead {
		return 0, fmt.Errorf("%d bytes of %d: %w", n, w.ring.Cap(), ErrTooLarge)
	}
	return recordSize(uint64(n)) + recordHeader, nil
}

// reserve is the next n bytes, which are free.
func (w *BytesWriter) reserve(n uint64) []byte {
	if race.Enabled {
		w.end.race.Acquire(racePosition)
	}
	w.reserved = n
	return w.ring.payload(w.at, n)
}

// Commit publishes the first m bytes of what Reserve returned as one record, and with it those that were
// appended before, all at once. It never blocks. It panics if m is not from 0 to what was reserved.
func (w *BytesWriter) Commit(m int) {
	if w.length != 0 {
		w.Append(m)
		w.Flush()
		return
	}
	at, size := w.finish(m)
	w.publish(at, uint64(m)+1)
	w.free -= size
	runtime.KeepAlive(w)
}

// Append makes the first m bytes of what Reserve returned a record, as Commit does, and leaves it to the
// next Commit or Flush to publish it: a batch of small records costs one publish. A writer that dies
// before that has written none of them. It never blocks. It panics if m is not from 0 to what was
// reserved.
func (w *BytesWriter) Append(m int) {
	at, size := w.finish(m)
	if race.Enabled {
		w.end.race.Release(raceItems + at/recordAlign)
	}
	if w.length == 0 {
		w.first, w.length = at, uint64(m)+1
	} else {
		futex.Publish(w.ring.header(at), uint64(m)+1) // seen by nobody before the first one's
	}
	w.free -= size
	runtime.KeepAlive(w)
}

// Flush publishes what was appended, all at once. It never blocks.
func (w *BytesWriter) Flush() {
	if w.length != 0 {
		header := w.length
		w.length = 0
		w.publish(w.first, header)
	}
	runtime.KeepAlive(w)
}

// finish goes on behind a record of m bytes, whose offset and size it returns, and has no further record
// follow it yet.
func (w *BytesWriter) finish(m int) (at, size uint64) {
	if w.reserved == nothing || m < 0 || uint64(m) > w.reserved {
		panic(fmt.Sprintf("ring: commit of %d bytes, %d are reserved", m, int64(w.reserved)))
	}
	w.reserved = nothing
	at, size = w.at, recordSize(uint64(m))
	w.at = w.ring.behind(at, size)
	w.pos += size
	futex.Publish(w.ring.header(w.at), 0) // stored before the publish of what it follows
	return at, size
}

// publish stores the header of the record at offset at, and wakes the reader.
func (w *BytesWriter) publish(at, header uint64) {
	if race.Enabled {
		w.end.race.Release(raceItems + at/recordAlign)
	}
	if w.end.plain() {
		futex.Publish(w.ring.header(at), header) // pairs with the load in (*Bytes).record
	} else {
		w.ring.header(at).Store(header)
	}
	if !w.end.peer.Idle() {
		w.end.signal()
	}
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

// Cap is the length of the longest record.
func (w *BytesWriter) Cap() int { return w.ring.Cap() }

// Close ends the stream: the reader drains what there is and then gets ErrClosed. What was appended is
// published before; what is reserved and not committed is dropped. It fails with ErrClosed if this end is
// closed.
func (w *BytesWriter) Close() error {
	w.reserved = nothing
	if w.end.usable() == nil {
		w.Flush()
	}
	return w.end.wrap("close writing end of", w.end.shut())
}
