package segment

import (
	"context"
	"errors"
	"fmt"
)

// The first heap: blocks are carved off the end, under one lock, and stay. What the lock guards is
// consistent after every store: the block's header and body are written beyond heapNext, where
// nobody looks, and moving heapNext commits them. A process that dies in between leaves bytes that
// the next one overwrites (header.dirty says up to where they must be cleared), so whoever inherits
// the lock has nothing to repair.

// hold takes the heap's lock. It waits for a live holder however long that is stopped.
func (s *Segment) hold() (*Lock, error) {
	l := &s.heapLock
	if l.TryLock() {
		return l, nil
	}
	err := l.LockSlow(context.Background())
	if errors.Is(err, ErrOwnerDied) {
		err = l.MarkConsistent()
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Spec is what a block is to hold.
type Spec struct {
	Kind    Kind
	Variant uint32 // flags of the kind's own package
	Layout  uint64 // hash of what the body is
	Size    uint64 // of the body, in bytes
	Name    string // "": none

	// Align is the alignment of the byte at AlignAt of the body, a power of two; 0: 8.
	Align, AlignAt uint64

	// Init fills the body, which is zeroed, before anybody can find it.
	Init func(Object)
}

// New makes an object. It fails with ErrExist if the name is taken.
func (s *Segment) New(spec Spec) (Object, error) {
	if err := s.Writable(); err != nil {
		return Object{}, err
	}
	if err := checkObjectName(spec.Name); err != nil {
		return Object{}, err
	}
	l, err := s.hold()
	if err != nil {
		return Object{}, err
	}
	defer l.Unlock()
	if spec.Name != "" {
		if _, err := s.find(spec.Name); !errors.Is(err, ErrNotExist) {
			if err == nil {
				err = ErrExist
			}
			return Object{}, s.unlessClosed(err)
		}
	}
	o, err := s.carve(spec)
	return o, s.unlessClosed(err)
}

// carve takes a block off the end of the heap, and one more for its name, both or none. The heap's
// lock is held, and the name is not taken. A process that dies between the two commits leaves an
// object without its name, which nobody finds.
func (s *Segment) carve(spec Spec) (Object, error) {
	h := s.m.header()
	start := h.heapNext.Load()
	if start < s.heap || start > s.m.size() || start%Line != 0 {
		return Object{}, fmt.Errorf("heap ends at %#x: %w", start, ErrCorrupt)
	}
	o, err := s.place(start, spec)
	if err != nil {
		return Object{}, err
	}
	end := o.end
	var entry Object
	named := nameSpec(spec.Name, o.off)
	if spec.Name != "" {
		if entry, err = s.place(o.end, named); err != nil {
			return Object{}, err
		}
		end = entry.end
	}
	if err := s.back(start, end); err != nil {
		return Object{}, err
	}
	s.clear(start, end)
	s.fill(o, spec)
	if spec.Name != "" {
		s.fill(entry, named)
	}
	h.heapNext.Store(end) // commits the blocks
	if spec.Name != "" {
		h.directory.Store(entry.off) // commits the name
	}
	return o, nil
}

// place says where a block for spec goes that begins at start. It writes nothing.
func (s *Segment) place(start uint64, spec Spec) (Object, error) {
	align := max(spec.Align, 8)
	body := alignUp(start+blockHeaderSize+spec.AlignAt, align) - spec.AlignAt
	if spec.Size > s.max || body > s.max || alignUp(body+spec.Size, Line) > s.max {
		return Object{}, fmt.Errorf("%d bytes for a %s, %d are left of %d: %w",
			spec.Size, spec.Kind, s.max-min(start, s.max), s.max-s.heap, ErrNoSpace)
	}
	return Object{
		seg: s, off: start, body: body, end: alignUp(body+spec.Size, Line),
		layout: spec.Layout, generation: firstGeneration, kind: spec.Kind,
	}, nil
}

// fill writes the block that place placed, beyond the heap's end.
func (s *Segment) fill(o Object, spec Spec) {
	b := s.m.block(o.off)
	b.size = o.end - o.off
	b.layout = o.layout
	b.kind = uint32(o.kind)
	b.generation = o.generation
	b.bodyOffset = uint32(o.body - o.off)
	if spec.Init != nil {
		spec.Init(o)
	}
}

// back sees to it that the bytes below end are backed by memory. Those below start are in use, and
// where the system has no call for it, what backs a byte overwrites it. It goes by the file, which
// Close does not cut loose, so Close waits for it.
func (s *Segment) back(start, end uint64) error {
	s.growing.Lock()
	defer s.growing.Unlock()
	if s.IsClosed() {
		return ErrClosed
	}
	h := s.m.header()
	have := h.committed.Load()
	if have < start || have > s.m.size() {
		return fmt.Errorf("%#x bytes of %#x committed, %#x in use: %w", have, s.m.size(), start, ErrCorrupt)
	}
	if end <= have {
		return nil
	}
	want := min(alignUp(end, commitStep), s.m.size())
	if err := commit(s.file, int64(have), int64(want-have)); err != nil {
		return err
	}
	h.committed.Store(want)
	return nil
}

// clear zeroes what somebody who died may have written to beyond the heap's end, and notes that the
// bytes below end are about to be written to.
func (s *Segment) clear(start, end uint64) {
	h := s.m.header()
	dirty := min(h.dirty.Load(), s.m.size())
	if dirty > start {
		clear(s.m.bytes(start, min(dirty, end)-start))
	}
	if dirty < end {
		h.dirty.Store(end)
	}
}

const blockHeaderSize = 32
