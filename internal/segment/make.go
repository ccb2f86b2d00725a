package segment

import (
	"context"
	"errors"
	"fmt"
)

// Spec is what an object is to be.
type Spec struct {
	Kind     Kind
	Variant  uint32   // flags of the kind's own package
	Bound    uint64   // a limit of the kind's own package, 0: none
	Limit    uint32   // another one
	Heir     Ref      // an object that the kind's own package wants
	Codec    any      // what the kind's own package encodes values with; nil: as ever
	Layout   uint64   // hash of what the body is
	Size     uint64   // of the body, in bytes
	Name     string   // "": none
	Contents Contents // where the body names other blocks

	// Align is the alignment of the byte at AlignAt of the body, a power of two; 0: 8.
	Align, AlignAt uint64

	// Init fills the body, which is zeroed, before anybody can find it.
	Init func(Object)
}

// misplaced is a variant that no kind has.
const misplaced = 1 << 31

// Vary asks for a variant that objects of one kind have. One of another kind is refused for it by who makes it: the same bit may mean
// something else there.
func (s *Spec) Vary(kind Kind, variant uint32) {
	if s.Kind != kind {
		variant = misplaced
	}
	s.Variant |= variant
}

// Specify is spec with the options, of an object that may have a name and these variants. It fails with ErrOption if others are asked for.
func Specify[O ~func(*Spec)](spec Spec, variants uint32, opts []O) (Spec, error) {
	for _, opt := range opts {
		opt(&spec)
	}
	if spec.Bound != 0 || !spec.Bounded(variants) {
		return spec, ErrOption
	}
	return spec, nil
}

// Bounded reports whether nothing is asked for but a name, a bound, and some of these variants.
func (s *Spec) Bounded(variants uint32) bool {
	return s.Variant&^variants == 0 && s.Limit == 0 && s.Heir.IsZero() && s.Codec == nil
}

// New makes an object. It fails with ErrExist if the name is taken.
//
// An object with a name belongs to the segment from when it has its name. One without a name is its
// maker's, and comes back when that dies, until it is passed on: until Ref is called, or Settle.
func (s *Segment) New(spec Spec) (Object, error) {
	if err := s.Writable(); err != nil {
		return Object{}, err
	}
	if err := checkObjectName(spec.Name); err != nil {
		return Object{}, err
	}
	if spec.Name != "" {
		if _, err := s.find(spec.Name); !errors.Is(err, ErrNotExist) {
			return Object{}, s.taken(err)
		}
	}
	o, err := s.draft(spec)
	if err != nil {
		return Object{}, s.unlessClosed(err)
	}
	if spec.Name == "" {
		return o, o.Block().complete()
	}
	if err := s.christen(o, spec.Name); err != nil {
		_ = o.Block().drop() // or the sweep of this attach does
		return Object{}, s.unlessClosed(err)
	}
	return o, nil
}

// taken is what it means that a name was found, or that looking for it failed.
func (s *Segment) taken(err error) error {
	if err == nil {
		return ErrExist
	}
	return s.unlessClosed(err)
}

// draft makes an object that nobody can find yet.
func (s *Segment) draft(spec Spec) (Object, error) {
	align := max(spec.Align, 8)
	head := alignUp(blockHeaderSize+uint64(len(spec.Name)), 8)
	// Where the body begins in a block that begins at start, and where it ends.
	place := func(start uint64) (body, size uint64) {
		body = alignUp(start+head+spec.AlignAt, align) - spec.AlignAt - start
		return body, alignUp(body+spec.Size, Line)
	}
	room := min(s.heap.limit, s.heap.count) << s.heap.shift
	if spec.Size > room || align > maxSize || spec.AlignAt > room {
		return Object{}, fmt.Errorf("%d bytes for a %s: %w", spec.Size, spec.Kind, s.heap.noRoom(spec.Size))
	}
	var b Block
	var err error
	if _, size := place(0); align <= s.heap.runBytes()/2 && size <= s.heap.runBytes()/2 {
		b, err = s.Alloc(size, max(align, Line))
	} else {
		f := func(start uint64) (uint64, bool) {
			body, size := place(start)
			return size, body <= s.heap.runBytes()
		}
		if b, err = s.allocateLarge(spec.Size, f); errors.Is(err, ErrNoSpace) {
			s.sweepAll() // what the dead had comes back
			b, err = s.allocateLarge(spec.Size, f)
		}
		b.seg = s
	}
	if err != nil {
		return Object{}, fmt.Errorf("%d bytes for a %s: %w", spec.Size, spec.Kind, err)
	}
	body, size := place(b.off)
	h := s.m.block(b.off)
	h.size = size
	h.layout = spec.Layout
	h.kind = uint32(spec.Kind)
	h.contents = uint32(spec.Contents)
	h.bodyOffset = uint32(body)
	h.nameLength = uint32(len(spec.Name))
	copy(s.m.bytes(b.off+blockHeaderSize, uint64(len(spec.Name))), spec.Name)
	o := Object{
		seg: s, off: b.off, body: b.off + body, end: b.off + size,
		layout: spec.Layout, generation: b.generation, kind: spec.Kind,
	}
	if spec.Init != nil {
		spec.Init(o)
	}
	return o, nil
}

// complete says that the header and the body of an object are what they should be.
func (b Block) complete() error {
	return b.move(func(c control, self uint64) (control, bool) {
		return c | objectFlag, c.owner() == self && c.state() == blockDraft
	})
}

// Block is the object's block.
func (o Object) Block() Block {
	return Block{seg: o.seg, off: o.off, size: o.end - o.off, generation: o.generation}
}

// Free gives an object back that has no name, and that nothing leads to. Its maker may call it, and of one that is
// settled anybody, once: then it fails with ErrStale.
func (o Object) Free() error { return o.Block().free(objectFlag) }

// Settle hands an object without a name over to the segment: the death of its maker changes nothing from
// here on. It fails with ErrStale if it was destroyed.
func (o Object) Settle() error { return o.Block().Settle() }

// Destroy frees an object, with all that it has of the heap, and takes its name away. Whoever still uses it, uses memory
// that is somebody else's before long; a Ref to it is stale. If blocks keep it (Keep), it loses its name, and the last of them
// frees it. It fails with ErrStale if it was destroyed, and with ErrInUse if it is another participant's.
func (s *Segment) Destroy(ref Ref) error {
	if err := s.Writable(); err != nil {
		return err
	}
	o, err := s.resolve(ref)
	if err != nil {
		return s.unlessClosed(err)
	}
	l, err := s.hold()
	if err != nil {
		return err
	}
	defer l.Unlock()
	b := o.Block()
	if c, err := b.look(); err != nil || c.state() == blockGone || c.state() == blockEnding {
		return s.unlessClosed(fmt.Errorf("%v was destroyed: %w", ref, ErrStale))
	}
	at, next, err := s.before(b.Place())
	if err != nil {
		return s.unlessClosed(err)
	}
	if at != 0 {
		// Before the name is gone, nobody else may free it, and behind it, a death must not lose it.
		if err := errors.Join(b.Settle(), b.Claim()); err != nil {
			return err
		}
		if err := b.Tie(at); err != nil {
			return err
		}
		s.m.word(at).Store(next)
	}
	return s.finish(o)
}

// Unname takes a name away from its object, which stays, and is found by its Ref alone.
func (s *Segment) Unname(name string) error {
	if err := s.Writable(); err != nil {
		return err
	}
	l, err := s.hold()
	if err != nil {
		return err
	}
	defer l.Unlock()
	o, err := s.find(name)
	if err != nil {
		return s.unlessClosed(err)
	}
	at, next, err := s.before(o.Block().Place())
	if err == nil && at == 0 {
		err = ErrNotExist
	}
	if err != nil {
		return s.unlessClosed(err)
	}
	s.m.word(at).Store(next)
	return nil
}

// hold takes the heap's lock. It waits for a live holder however long that is stopped. What it guards is
// consistent after every store, or is made so by the sweep of the holder, so whoever inherits it has
// nothing to repair.
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
