package ring

import (
	"context"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// BytesReader is the reading end of a Bytes ring. One goroutine at a time may use it.
type BytesReader struct {
	ring *Bytes
	pos  uint64 // of the next record
	at   uint64 // pos modulo the ring's size
	held uint64 // bytes of the ring that Peek showed and Release has not given back; 0: none
	end  end
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
// good until Release or Close; a writer that breaks the rules may change them meanwhile, so who does
// not trust it copies before checking. Errors: ErrClosed when the writer closed and all is read,
// ErrPeerDied (once for each writer that died, when all is read), ErrCorrupt, and the context's.
func (r *BytesReader) Peek(ctx context.Context) ([]byte, error) {
	record, err := r.next()
	if record == nil && err == nil && r.glance() {
		record, err = r.next()
	}
	if record == nil && err == nil {
		err = r.end.wait(ctx, func(bool) (bool, error) {
			record, err = r.next()
			return record != nil, err
		})
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

// next is the record at pos, not nil if there is one. Without one, all that was read is given back.
func (r *BytesReader) next() ([]byte, error) {
	if err := r.end.usable(); err != nil {
		return nil, err
	}
	length, ok, err := r.ring.record(r.at)
	if err != nil {
		return nil, err
	}
	if !ok {
		if given := &r.ring.control.given; given.Load() != r.pos {
			given.Store(r.pos)
		}
		return nil, nil
	}
	if race.Enabled {
		r.end.race.Acquire(raceItems + r.at/recordAlign)
	}
	r.held = recordSize(length)
	return r.ring.payload(r.at, length), nil
}

// glance polls the next header.
func (r *BytesReader) glance() bool {
	if !r.end.polls {
		return false
	}
	header := r.ring.header(r.at)
	for i := range glances {
		if header.Load() != 0 {
			return true
		}
		if i >= glancesTight {
			futex.Pause()
		}
	}
	return false
}

// Release takes the record that Peek returned out of the ring. It never blocks. Without a Peek
// before it does nothing.
func (r *BytesReader) Release() {
	if r.held == 0 {
		return
	}
	r.pos += r.held
	r.at = r.ring.behind(r.at, r.held)
	r.held = 0
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

// Close closes the ring from the reading side: the writer's calls return ErrClosed, and what was not
// read is lost. It fails with ErrClosed if this end is closed.
func (r *BytesReader) Close() error {
	r.held = 0
	return r.end.wrap("close reading end of", r.end.shut())
}
