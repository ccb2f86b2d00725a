package ring

import (
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Bytes is a bounded ring of records, byte strings of any length up to its capacity, with one writer
// and one reader. Records are written and read in place: the ring is mapped twice in a row, so that
// each is contiguous.
//
// A record is a header of 8 bytes, its length plus one, and its bytes, rounded up to 8. Those of a long record
// begin at the next line of 64 bytes, as fast copies want it. Behind the newest record stands a header of 0,
// written before that record is published: the reader needs no index to know whether there is more.
type Bytes struct {
	seg     *segment.Segment
	object  segment.Object
	control *control
	view    *segment.Double
	data    []byte // the range twice
	size    uint64 // of the range
}

const (
	recordHeader = 8
	recordAlign  = 8

	// overhead is what the largest record leaves free: its own header and the 0 behind it.
	overhead = 2 * recordHeader

	// lineUp is a flag of a header: the record's bytes begin at the first multiple of copyLine behind it.
	lineUp   = 1 << 63
	copyLine = 64

	// longRecord is from how many bytes on they do, unless there would be no room.
	longRecord = 1024
)

var bytesLayout = segment.LayoutOf[control]()

// NewBytes makes a ring that takes records of up to capacity bytes, or many smaller ones of that
// size in all; it is rounded up so that the whole is a multiple of 64 KiB. It fails with
// ErrCapacity, ErrOption, shm.ErrExist, shm.ErrNoSpace, shm.ErrReadOnly and ErrClosed.
func NewBytes(seg *shm.Segment, capacity int, opts ...shm.ObjectOption) (*Bytes, error) {
	if capacity < 1 || int64(capacity) > seg.Size() {
		return nil, fmt.Errorf("ring: make bytes ring of %d bytes in segment %s of %d bytes: %w",
			capacity, seg.Engine(), seg.Size(), ErrCapacity)
	}
	n := (uint64(capacity) + overhead + segment.PageAlign - 1) &^ (segment.PageAlign - 1)
	spec := segment.Spec{
		Kind: segment.KindBytes, Layout: bytesLayout(), Size: controlSize + n,
		Align: segment.PageAlign, AlignAt: controlSize,
		Init: func(o segment.Object) {
			c := controlIn(o)
			c.capacity = n
			c.data = o.Offset() + controlSize
			c.stride = 1
		},
	}
	o, name, err := newObject(seg, spec, opts)
	return bytesOf(seg, o, "make", name, err)
}

// OpenBytes finds the ring of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenBytes(seg *shm.Segment, name string) (*Bytes, error) {
	o, err := seg.Engine().Lookup(name, segment.KindBytes, bytesLayout())
	return bytesOf(seg, o, "open", name, err)
}

// OpenOrNewBytes opens the ring of that name, or makes it, whoever else does the same. One that is there may
// have another capacity. For its errors see OpenBytes and NewBytes.
func OpenOrNewBytes(seg *shm.Segment, name string, capacity int, opts ...shm.ObjectOption) (*Bytes, error) {
	return segment.OrNew(func() (*Bytes, error) { return OpenBytes(seg, name) },
		func() (*Bytes, error) {
			return NewBytes(seg, capacity, append(slices.Clip(opts), shm.Named(name))...)
		})
}

// BytesFrom returns the ring that ref names. It fails with shm.ErrStale if it is not in seg.
func BytesFrom(seg *shm.Segment, ref shm.Ref) (*Bytes, error) {
	o, err := seg.Engine().Resolve(ref, segment.KindBytes, bytesLayout())
	return bytesOf(seg, o, "resolve", "", err)
}

func bytesOf(seg *shm.Segment, o segment.Object, op, name string, err error) (*Bytes, error) {
	var b *Bytes
	if err == nil {
		b, err = mapBytes(o)
	}
	if err != nil {
		return nil, fmt.Errorf("ring: %s bytes ring %q in segment %s: %w", op, name, seg.Engine(), err)
	}
	return b, nil
}

// mapBytes maps the records twice in a row.
func mapBytes(o segment.Object) (*Bytes, error) {
	n, err := bytesIn(o)
	if err != nil {
		return nil, err
	}
	view, err := o.Segment().Double(o.Offset()+controlSize, n)
	if err != nil {
		return nil, err
	}
	return &Bytes{
		seg: o.Segment(), object: o, control: controlIn(o), view: view, data: view.Bytes(), size: n,
	}, nil
}

// bytesIn is how many bytes a Bytes ring has. It sees to it that they fill the object.
func bytesIn(o segment.Object) (uint64, error) {
	if err := o.Holds(controlSize); err != nil {
		return 0, err
	}
	c := controlIn(o)
	data, n := c.data, c.capacity
	if data != o.Offset()+controlSize || n == 0 || n%segment.PageAlign != 0 || n != o.Size()-controlSize {
		return 0, fmt.Errorf("%d bytes at %#x in an object of %d at %#x: %w",
			n, data, o.Size(), o.Offset(), ErrCorrupt)
	}
	return n, nil
}

// Ref names the ring.
func (b *Bytes) Ref() shm.Ref { return b.object.Ref() }

// Cap is the length of the longest record.
func (b *Bytes) Cap() int { return int(b.size - overhead) }

// Len is how many bytes of records are in the ring, headers included. It is out of date as soon as
// it returns, and looks at each record. It fails with ErrClosed behind Close of the segment, and with ErrCorrupt.
func (b *Bytes) Len() (int, error) {
	defer runtime.KeepAlive(b) // the mapping goes with the last handle
	n, err := b.used()
	if b.seg.IsClosed() {
		return 0, ErrClosed
	}
	return int(n), err
}

// used goes from record to record, and on from the reader where that has passed it: what stood there may be other bytes by now. It follows
// a stream that does not end for two laps of the shortest records.
func (b *Bytes) used() (uint64, error) {
	pos, err := b.read()
	reader := pos
	for range 2 * b.size / recordAlign {
		if err != nil {
			return 0, err
		}
		rec, ok, wrong := b.record(pos % b.size)
		reader, err = b.read()
		switch {
		case err != nil:
		case int64(reader-pos) > 0:
			pos = reader
		case wrong != nil:
			return 0, wrong
		case !ok:
			return pos - reader, nil
		default:
			if pos += rec.size(); pos-reader > b.size {
				return 0, fmt.Errorf("records from %d on do not end: %w", reader, ErrCorrupt)
			}
		}
	}
	return pos - reader, err
}

// read is the position of the first record that was not released.
func (b *Bytes) read() (uint64, error) {
	position := b.control.position.Load()
	if position%recordAlign != 0 {
		return 0, fmt.Errorf("reader at %d: %w", position, ErrCorrupt)
	}
	return position, nil
}

// written is the position behind the last record.
func (b *Bytes) written(position uint64) (uint64, error) {
	end, _, err := b.walk(position, math.MaxInt)
	return end, err
}

// walk goes from one record to the next, from position on, and returns the position behind the last, and how many there were, up to most.
func (b *Bytes) walk(position uint64, most int) (end uint64, records int, err error) {
	for end = position; records < most; records++ {
		rec, ok, err := b.record(end % b.size)
		if err != nil || !ok {
			return end, records, err
		}
		if end += rec.size(); end-position > b.size {
			return position, records, fmt.Errorf("records from %d on do not end: %w", position, ErrCorrupt)
		}
	}
	return end, records, nil
}

// record is where the bytes of one are: from its header's offset on, and how many.
type record struct{ lead, length uint64 }

// size is how many bytes of the ring the record takes.
func (r record) size() uint64 { return r.lead + (r.length+recordAlign-1)&^(recordAlign-1) }

// record reads the header at offset at, once: what it says, or that there is no record.
func (b *Bytes) record(at uint64) (rec record, ok bool, err error) {
	return b.decode(at, b.header(at).Load()) // pairs with the publish in (*BytesWriter).publish
}

// decode is record for who has read the header, h.
func (b *Bytes) decode(at, h uint64) (record, bool, error) {
	if rec, ok := b.short(h); ok {
		return rec, true, nil
	}
	return b.unusual(at, h)
}

// short reports whether a header is that of a record whose bytes follow at once.
func (b *Bytes) short(h uint64) (rec record, ok bool) {
	return record{recordHeader, h - 1}, h-1 <= b.size-overhead
}

// unusual is record where the header, h, is none of those.
func (b *Bytes) unusual(at, h uint64) (record, bool, error) {
	if h == 0 {
		return record{}, false, nil
	}
	n := h&^lineUp - 1
	if h&lineUp == 0 || n > b.size-overhead-copyLine {
		return record{}, false, fmt.Errorf("record of %d bytes at offset %d: %w", n, at, ErrCorrupt)
	}
	return record{toLine(at), n}, true, nil
}

// toLine is how far the first line behind the header at offset at is.
func toLine(at uint64) uint64 { return (at+recordHeader+copyLine-1)&^(copyLine-1) - at }

// plan is the record of n bytes whose header will be at offset at.
func (b *Bytes) plan(at, n uint64) record {
	if n < longRecord || n > b.size-overhead-copyLine {
		return record{recordHeader, n}
	}
	return record{toLine(at), n}
}

// headerOf publishes that record.
func headerOf(r record) uint64 {
	if r.lead != recordHeader {
		return (r.length + 1) | lineUp
	}
	return r.length + 1
}

// payload is the bytes of the record whose header is at offset at.
func (b *Bytes) payload(at uint64, r record) []byte {
	from := at + r.lead
	return b.data[from : from+r.length : from+r.length]
}

// behind is the offset of what follows n bytes from at on.
func (b *Bytes) behind(at, n uint64) uint64 {
	if at += n; at >= b.size {
		at -= b.size
	}
	return at
}
