package ring

import (
	"context"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/bulk"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// BytesWriter is the writing end of a Bytes ring. One goroutine at a time may use it, Close
// included: who waits in a call is woken by its context, or by Close of the segment. The calls that do not wait (Try) say nothing of the other side's death.
type BytesWriter struct {
	ring     *Bytes
	pos      uint64 // of the next record
	at       uint64 // pos modulo the ring's size
	free     uint64 // bytes from pos on that are known to be free
	reserved record // what Reserve gave out and Commit has not taken; nothing: none
	first    uint64 // offset of the first record that was appended and not published
	header   uint64 // of that record, which publishes it and those behind it; 0: there is none
	end      end
}

// nothing is reserved.
var nothing = record{}

// Writer takes the writing end. It fails with ErrBusy while a process that lives has it, and with
// ErrClosed if it was closed before. A successor of a dead writer goes on behind its last record.
func (b *Bytes) Writer(opts ...EndOption) (*BytesWriter, error) {
	w := &BytesWriter{ring: b, end: newEnd(b.object, b.control, closedWriter, opts)}
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

// Push appends a record that is a copy of p, and blocks until there is room. What was appended before is published
// with it. The copy owns the lines of a long record without reading them first, which copy does not: records from
// 1 KiB on go in up to five times as fast as by Reserve and copy. Errors: those of Reserve.
func (w *BytesWriter) Push(ctx context.Context, p []byte) error {
	b, err := w.Reserve(ctx, len(p))
	if err == nil {
		w.Commit(bulk.Copy(b, p))
		err = w.lost()
	}
	return err
}

// lost reports that the segment was closed, perhaps before what was published last. Close's zeros cannot
// say so: it puts them over the records before it puts them over the control.
func (w *BytesWriter) lost() error { return w.end.wrap("push to", w.end.usable()) }

// TryPush is Push for those who do not wait: it reports whether there was room.
func (w *BytesWriter) TryPush(p []byte) (bool, error) {
	b, err := w.TryReserve(len(p))
	if b == nil || err != nil {
		return false, err
	}
	w.Commit(bulk.Copy(b, p))
	err = w.lost()
	return err == nil, err
}

// Reserve returns n bytes of the ring to write a record into, and blocks until there is room. They
// are the caller's until Commit or Append, or until the next Reserve, which takes them back, and as long as the writer is reachable; what stands
// in them before they are written is undefined. n is from 0 to Cap. If it must wait, it first publishes
// what was appended. Errors: ErrTooLarge, ErrClosed, ErrPeerDied (once for each reader that died while
// the ring was full), ErrCorrupt, and the context's.
func (w *BytesWriter) Reserve(ctx context.Context, n int) ([]byte, error) {
	if rec := (record{recordHeader, uint64(n)}); rec.length < longRecord && w.free >= need(rec) && w.end.usable() == nil && !w.end.peerClosed() {
		return w.reserve(rec), nil
	}
	return w.reserveSlow(ctx, n)
}

func (w *BytesWriter) reserveSlow(ctx context.Context, n int) ([]byte, error) {
	rec, err := w.plan(n)
	if err == nil {
		err = w.await(ctx, need(rec))
	}
	if err != nil {
		return nil, w.end.wrap("reserve in", err)
	}
	return w.reserve(rec), nil
}

// await blocks until need bytes are free.
func (w *BytesWriter) await(ctx context.Context, need uint64) error {
	ok, err := w.ready(need, true)
	if !ok && err == nil {
		w.Flush()
		err = w.end.wait(ctx, func(exact bool) (bool, error) { return w.ready(need, exact) })
	}
	return err
}

// TryReserve is Reserve for those who do not wait: without room it returns nil and no error. It
// publishes nothing.
func (w *BytesWriter) TryReserve(n int) ([]byte, error) {
	rec, err := w.plan(n)
	ok := false
	if err == nil {
		ok, err = w.ready(need(rec), true)
	}
	if !ok {
		return nil, w.end.wrap("reserve in", err)
	}
	return w.reserve(rec), nil
}

// plan takes back what is reserved, and returns the record that n bytes would be.
func (w *BytesWriter) plan(n int) (record, error) {
	w.reserved = nothing
	if uint64(n) > w.ring.size-overhead {
		return nothing, w.tooLarge(n)
	}
	return w.ring.plan(w.at, uint64(n)), nil
}

func (w *BytesWriter) tooLarge(n int) error {
	return fmt.Errorf("%d bytes of %d: %w", n, w.ring.Cap(), ErrTooLarge)
}

// need is how many bytes must be free for a record: its own, and the 0 behind it.
func need(r record) uint64 { return r.size() + recordHeader }

// reserve is the bytes of the record, which are free.
func (w *BytesWriter) reserve(r record) []byte {
	if race.Enabled {
		w.end.race.Acquire(racePosition)
	}
	w.reserved = r
	return w.ring.payload(w.at, r)
}

// Commit publishes the first m bytes of what Reserve returned as one record, and with it those that were
// appended before, all at once; after Close of the segment, nothing. It never blocks. It panics if m is not
// from 0 to what was reserved.
func (w *BytesWriter) Commit(m int) {
	at, header := w.finish(m)
	if w.header != 0 {
		w.hang(at, header)
		w.Flush()
		return
	}
	w.publish(at, header)
	runtime.KeepAlive(w)
}

// Append makes the first m bytes of what Reserve returned a record, as Commit does, and leaves it to the
// next Commit or Flush to publish it: a batch of small records costs one publish. A writer that dies
// before that has written none of them. It never blocks. It panics if m is not from 0 to what was
// reserved.
func (w *BytesWriter) Append(m int) {
	w.hang(w.finish(m))
	runtime.KeepAlive(w)
}

// hang leaves the record at offset at to the next publish.
func (w *BytesWriter) hang(at, header uint64) {
	if race.Enabled {
		w.end.race.Release(raceItems + at/recordAlign)
	}
	if w.header == 0 {
		w.first, w.header = at, header
	} else {
		futex.Publish(w.ring.header(at), header) // seen by nobody before the first one's
	}
}

// Flush publishes what was appended, all at once. It never blocks.
func (w *BytesWriter) Flush() {
	if header := w.header; header != 0 {
		w.header = 0
		w.publish(w.first, header)
	}
	runtime.KeepAlive(w)
}

// finish goes on behind a record of m bytes, whose offset and header it returns, and has no further record
// follow it yet.
func (w *BytesWriter) finish(m int) (at, header uint64) {
	r := w.reserved
	if r.lead == 0 || uint64(m) > r.length {
		w.overcommitted(m)
	}
	r.length = uint64(m)
	w.reserved = nothing
	at, size := w.at, r.size()
	w.at = w.ring.behind(at, size)
	w.pos += size
	w.free -= size
	futex.Publish(w.ring.header(w.at), 0) // stored before the publish of what it follows
	return at, headerOf(r)
}

func (w *BytesWriter) overcommitted(m int) {
	if w.reserved == nothing {
		panic(fmt.Sprintf("ring: commit of %d bytes, nothing is reserved", m))
	}
	panic(fmt.Sprintf("ring: commit of %d bytes, %d are reserved", m, w.reserved.length))
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

// Knock wakes the reader if it sleeps, as Commit does: it is called behind an atomic store of something that the reader's PeekUnless
// looks for. It never blocks.
func (w *BytesWriter) Knock() {
	if !w.end.peer.Idle() {
		w.end.signal()
	}
	runtime.KeepAlive(w)
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
