package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/kindred-ipc/kindred/internal/bulk"
	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Messages that are no plain memory lie in parcels: short ones in the slot, others in a box, a block of the heap. What
// makes it safe to say who frees a box is that its place has its generation, so one that was freed is not freed again:
//
//	named by                                  the box is
//	nothing, or a slot that it is tied to     its maker's, whose death frees it
//	the slot of a message                     the message's
//	a slot before reach, not before head      who takes the message takes it; behind his death it is freed by who has gets next
//	any other slot                            nobody's: one died before he committed the message; who writes to the slot frees it

// pack is a message that was encoded, on its way into a parcel.
type pack struct {
	bytes []byte
	box   segment.Block
	boxed bool
}

func (p *pack) size() uint64 { return uint64(len(p.bytes)) }

// A draft is memory that messages are encoded in, one after another.
type draft struct{ room []byte }

var drafts = sync.Pool{New: func() any { return &draft{make([]byte, 0, 4*inline)} }}

// maxDraft is how large one may be that is kept for the next message.
const maxDraft = 1 << 20

// end gives the draft back, if there is one, when nobody needs what is written there.
func (d *draft) end() {
	if d != nil && cap(d.room) <= maxDraft {
		drafts.Put(d)
	}
}

// encode is the bytes of *v, in a draft if they do not lie there already, and what is to be kept for them.
func encode[T any](ctx context.Context, seg *segment.Segment, c *codec.Codec[T], v *T) (b []byte, d *draft, some []freight, err error) {
	if b, ok := c.Verbatim(v); ok {
		return b, nil, nil, nil
	}
	d = drafts.Get().(*draft)
	b, loaded, err := c.AppendLoaded(d.room[:0], *v)
	if err == nil && loaded {
		some, err = freightOf(ctx, seg, c, *v)
	}
	d.room = b
	return b, d, some, err
}

// pack encodes v, if that is no plain memory, and puts what is long into a box, which is this process's.
func (q *Queue[T]) pack(ctx context.Context, v *T) (p pack, d *draft, err error) {
	if !q.boxed {
		return p, nil, nil
	}
	b, d, some, err := encode(ctx, q.seg, q.codec, v)
	p.bytes = b
	if err == nil {
		err = q.packBytes(&p, len(some) > 0)
	}
	if err == nil {
		err = keep(ctx, &p, some)
	}
	if err != nil {
		q.unpack(&p, true)
		rouseEnds(some)
	}
	return p, d, err
}

// packBytes is pack of what is encoded. always is whether even a short one is put into a box.
func (q *queue) packBytes(p *pack, always bool) (err error) {
	n := p.size()
	if n <= inline && !always {
		return nil
	}
	if q.bound > 0 && n > q.bound {
		return fmt.Errorf("%d bytes, at most %d: %w", n, q.bound, ErrTooLarge)
	}
	if p.box, err = q.seg.Alloc(q.headOfBox()+n, 0); err != nil {
		return err
	}
	p.boxed = true
	bulk.Copy(p.box.Bytes()[q.headOfBox():], p.bytes)
	return nil
}

// headOfBox is where the message of a box begins.
func (q *queue) headOfBox() uint64 { return headFor(q.carries) }

// headFor is headOfBox where messages may have handles, or not.
func headFor(carries bool) uint64 {
	if carries {
		return carrierHead
	}
	return boxHead
}

// unpack frees the box of a message that was not put.
func (q *queue) unpack(p *pack, failed bool) {
	if failed && p.boxed {
		q.release(p.box.Place()) // by its name: so the message need not lie in Go's heap
	}
}

// store puts a message at the tail. The caller has puts.
func (q *queue) store(at uint64, p *pack) error {
	s := q.parcel(at)
	if s.box != 0 {
		q.release(s.box)
		s.box = 0
	}
	if p.boxed {
		if err := p.box.Tie(q.offset(at) + boxAt); err != nil {
			return err
		}
		s.box, s.size = p.box.Place(), p.size()
		if err := p.box.Settle(); err != nil {
			return err
		}
	} else {
		s.write(p.bytes)
	}
	if q.bound > 0 { // else it is not worth a look at the slot before, whose line is with who read it
		s.through = q.through(at) + p.size()
	}
	q.commit(&s.sequence, at)
	futex.Publish(&q.state.tail, at+1)
	return nil
}

// write writes a short message. The text on the line of the sequence comes last: who polls it takes it away as soon as it is written to.
func (s *parcel) write(b []byte) {
	n := len(b)
	s.size = uint64(n)
	if n < firstLine {
		copy(s.text[:firstLine], b)
		return
	}
	if n > 2*firstLine {
		copyPart(s.text[firstLine:], b[firstLine:])
	}
	copyPart(s.text[n-firstLine:], b[n-firstLine:]) // of which some may be written twice
	copyPart(s.text[:], b)
}

// copyPart copies as many bytes as lie on the first line, by words: it calls nothing.
func copyPart(to, from []byte) {
	_, _ = to[firstLine-1], from[firstLine-1]
	host := binary.NativeEndian
	host.PutUint64(to, host.Uint64(from))
	host.PutUint64(to[8:], host.Uint64(from[8:]))
	host.PutUint64(to[16:], host.Uint64(from[16:]))
	host.PutUint64(to[24:], host.Uint64(from[24:]))
}

// offset is where the slot of a position lies in the segment.
func (q *queue) offset(at uint64) uint64 { return q.first + (at&q.mask)*q.stride }

// through is how many bytes all messages before that position have, of which the last is in its slot still, if the queue has a bound.
func (q *queue) through(at uint64) uint64 {
	if at == 0 {
		return 0
	}
	return q.parcel(at - 1).through
}

// release frees the box that a word names, if it is one still.
func (q *queue) release(place uint64) {
	if place&7 != 0 {
		return
	}
	if b, err := q.seg.BlockAt(place); err == nil {
		_ = b.Free()
	}
}

// catch is a message on its way out of a parcel.
type catch struct {
	short [inline]byte
	size  uint64
	box   segment.Block
	head  uint64 // of the box
	boxed bool
	err   error
}

// read copies what is in the slot at a position. A box is taken later: see finish.
func (q *queue) read(at uint64, c *catch) { q.look(q.parcel(at), c) }

// look is read of a parcel, in a slot or in a bay.
func (q *queue) look(s *parcel, c *catch) {
	place := s.box
	*c = catch{size: s.size}
	if place == 0 {
		if c.size > inline {
			c.err = fmt.Errorf("%d bytes in a slot: %w", c.size, ErrCorrupt)
		}
		c.short = s.text
		return
	}
	var err error
	c.head = q.headOfBox()
	if c.box, err = q.seg.BlockAt(place); err != nil || place&7 != 0 || c.box.Size() < c.head || c.size > c.box.Size()-c.head {
		c.err = fmt.Errorf("%d bytes in a box at %#x: %w", c.size, place, ErrCorrupt)
		return
	}
	c.boxed = true
}

// bytes is the message.
func (c *catch) bytes() []byte {
	if c.boxed {
		return c.box.Bytes()[c.head:][:c.size]
	}
	return c.short[:c.size]
}

// asBox is err of what is done with a box, which is no object but in a queue that lies.
func asBox(err error) error {
	if errors.Is(err, segment.ErrKind) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// open decodes the message, and frees its box.
func (q *Queue[T]) open(c *catch, v *T) error {
	err := q.decode(c, v)
	if c.boxed && c.err == nil {
		if e := asBox(c.box.Free()); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// decode decodes the message.
func (q *Queue[T]) decode(c *catch, v *T) error {
	if c.err != nil {
		return c.err
	}
	err := q.codec.DecodeIn(q.seg, c.bytes(), v)
	if err != nil && q.seg.Self() != 0 {
		err = segment.Misread(err)
	}
	return err
}
