package ring

import (
	"context"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// BytesReader is the reading end of a Bytes ring. One goroutine at a time may use it, Close
// included: who waits in a call is woken by its context, or by Close of the segment. The calls that do not wait (Try) say nothing of the other side's death.
type BytesReader struct {
	ring  *Bytes
	pos   uint64 // of the next record
	at    uint64 // pos modulo the ring's size
	held  uint64 // bytes of the ring that Peek showed and Release has not given back; 0: none
	shown int    // records that Peek or PeekN showed
	read  uint64 // bytes of the record at pos that a stream has read
	end   end
}

// Reader takes the reading end. It fails with ErrBusy while a process that lives has it, and with
// ErrClosed if it was closed before. A successor of a dead reader begins with the first record that
// that one had not released.
func (b *Bytes) Reader(opts ...EndOption) (*BytesReader, error) {
	r := &BytesReader{ring: b, end: newEnd(b.object, b.control, closedReader, opts)}
	if err := r.end.take(); err != nil {
		return nil, r.end.wrap("take reading end of", err)
	}
	pos, err := b.read()
	if err != nil {
		r.end.drop()
		return nil, r.end.wrap("find the begin of", err)
	}
	r.pos, r.at = pos, pos%b.size
	return r, nil
}

// Peek returns the oldest record without taking it, and blocks while there is none. The bytes are
// good until Release or Close, and as long as the reader is reachable (the memory is unmapped behind the last handle); when the segment is closed meanwhile they become zeros, and the next call
// says so. A writer that breaks the rules may change them, so who does not trust it copies before
// checking. Errors: ErrClosed when the writer closed and all is read, ErrPeerDied (once for each writer
// that died, when all is read), ErrCorrupt, and the context's.
func (r *BytesReader) Peek(ctx context.Context) ([]byte, error) {
	if rec, ok, _ := r.ring.record(r.at); ok && r.read == 0 && r.end.usable() == nil {
		return r.show(rec), nil
	}
	return r.PeekUnless(ctx, nothingElse)
}

func nothingElse() bool { return false }

// PeekUnless is Peek for who waits for something else, too: it returns nil and no error if there is no record, and other reports true.
// Other looks for what the writer's side stores beside the ring before it calls Knock. It is called often, and must not block. What it
// sees comes before ErrClosed and ErrPeerDied, as records do.
func (r *BytesReader) PeekUnless(ctx context.Context, other func() bool) ([]byte, error) {
	var record []byte
	look := func(bool) (seen bool, err error) {
		record, err = r.next()
		return record != nil || other(), err
	}
	seen, err := look(true)
	if !seen && err == nil && r.glance(other) {
		seen, err = look(true)
	}
	if !seen && err == nil {
		err = r.end.wait(ctx, look)
	}
	return record, r.end.wrap("peek at", err)
}

// TryPeek is Peek for those who do not wait: it returns nil and no error if there is no record.
func (r *BytesReader) TryPeek() ([]byte, error) {
	record, err := r.next()
	if record == nil && err == nil && r.end.peerClosed() {
		// The writer's last record may have come before it closed and after the look for it.
		if record, err = r.next(); record == nil && err == nil {
			err = ErrClosed
		}
	}
	return record, r.end.wrap("peek at", err)
}

// PeekN fills records with the oldest ones without taking them, at least one: it blocks while there is
// none, and not for more. It returns how many there are. They are good until Release or ReleaseN, or
// Close, as that of Peek is. The errors are those of Peek.
func (r *BytesReader) PeekN(ctx context.Context, records [][]byte) (int, error) {
	if len(records) == 0 {
		return 0, nil
	}
	first, err := r.Peek(ctx)
	if err != nil {
		return 0, err
	}
	records[0] = first
	n := 1
	for n < len(records) {
		at := r.ring.behind(r.at, r.held)
		h := r.ring.header(at).Load() // pairs with the publish in (*BytesWriter).publish
		rec, ok, err := r.ring.decode(at, h)
		if !ok || err != nil || r.held+rec.size() > r.ring.size {
			break // what is wrong is found when the record is the first
		}
		more := 1
		if h&lineUp == 0 {
			more = r.ring.alike(at, rec, records[n:][:min(uint64(len(records)-n), (r.ring.size-r.held)/rec.size())])
		} else {
			records[n] = r.ring.payload(at, rec)
		}
		if race.Enabled {
			for i := range uint64(more) {
				r.end.race.Acquire(raceItems + r.ring.behind(at, i*rec.size())/recordAlign)
			}
		}
		r.held += uint64(more) * rec.size()
		n += more
	}
	r.shown = n
	return n, nil
}

// ReleaseN takes the first n records that PeekN returned out of the ring, all at once; Release takes all
// of them. It never blocks. It panics if n is not from 0 to how many there are.
func (r *BytesReader) ReleaseN(n int) {
	if r.held == 0 {
		r.shown = 0
	}
	if n < 0 || n > r.shown {
		panic(fmt.Sprintf("ring: release of %d records, %d are shown", n, r.shown))
	}
	if n < r.shown {
		// A writer who breaks the rules may have changed their headers: then all that was shown is taken.
		if end, k, err := r.ring.walk(r.pos, n); err == nil && k == n && end-r.pos <= r.held {
			r.held = end - r.pos
		}
	}
	r.Release()
}

// next is the record at pos, not nil if there is one. Without one, all that was read is given back.
func (r *BytesReader) next() ([]byte, error) {
	if err := r.end.usable(); err != nil {
		return nil, err
	}
	rec, ok, err := r.ring.record(r.at)
	if err != nil {
		return nil, err
	}
	if !ok {
		if given := &r.ring.control.given; given.Load() != r.pos {
			given.Store(r.pos)
		}
		return nil, nil
	}
	return r.show(rec)[min(r.read, rec.length):], nil
}

// show is the bytes of the record at pos.
func (r *BytesReader) show(rec record) []byte {
	if race.Enabled {
		r.end.race.Acquire(raceItems + r.at/recordAlign)
	}
	r.held, r.shown = rec.size(), 1
	return r.ring.payload(r.at, rec)
}

// glance polls the next header, and what other looks for.
func (r *BytesReader) glance(other func() bool) bool {
	if !r.end.polls || r.end.many && r.end.point.Bustling() {
		return false
	}
	header := r.ring.header(r.at)
	for range glances {
		if header.Load() != 0 || other() {
			return true
		}
		futex.Pause()
	}
	return false
}

// Release takes what Peek or PeekN returned out of the ring. It never blocks. Without a Peek before it
// does nothing.
func (r *BytesReader) Release() {
	if r.held == 0 {
		return
	}
	r.pos += r.held
	r.at = r.ring.behind(r.at, r.held)
	r.held, r.read = 0, 0
	c := r.ring.control
	if race.Enabled {
		r.end.race.Release(racePosition)
	}
	if r.end.plain() {
		futex.Publish(&c.position, r.pos) // commits; pairs with the load in (*BytesWriter).ready
	} else {
		c.position.Store(r.pos)
	}
	if r.pos-c.given.Load() >= r.ring.size/giveBack {
		c.given.Store(r.pos)
	}
	if !r.end.peer.Idle() {
		r.end.signal()
	}
	runtime.KeepAlive(r)
}

// PeerGone tells the reader that the process at the other end is gone for good, of which the caller
// has proof of its own: a Peek that waits, now or later, returns ErrPeerDied when all is read,
// whoever the ring itself takes for its writer. Any goroutine may call it.
func (r *BytesReader) PeerGone() { r.end.peerGone() }

// Cap is the length of the longest record.
func (r *BytesReader) Cap() int { return r.ring.Cap() }

// Close closes the ring from the reading side: the writer's calls return ErrClosed, and what was not
// read is lost. It fails with ErrClosed if this end is closed.
func (r *BytesReader) Close() error {
	r.held = 0
	return r.end.wrap("close reading end of", r.end.shut())
}
