package segment

import "fmt"

// Kind says what a block is.
type Kind uint32

// The kinds, in the order in which they came; a number is never used again.
const (
	KindRaw Kind = iota + 2 // 1 was a name, in a block of its own
	KindMutex
	KindSemaphore
	KindSPSC
	KindBytes
	KindEvent
	KindOnce
	KindRMutex
	KindCond
	KindRWMutex
	KindWaitGroup
	KindBarrier
	KindRows
)

// Kinds of package ring.
const (
	KindMPMC      Kind = 16
	KindBroadcast Kind = 17
)

// Kinds of package state.
const (
	KindValue Kind = iota + 18
	KindArray
	KindMap
	KindList
)

// Kinds of package queue.
const (
	KindQueue    Kind = 22
	KindPipe     Kind = 24
	KindListener Kind = 25
)

// KindNamespace is one more of package state.
const KindNamespace Kind = 23

var kindNames = [...]string{"", "", "raw", "mutex", "semaphore", "spsc ring", "bytes ring",
	"event", "once", "recursive mutex", "condition", "read-write mutex", "wait group", "barrier", "rows",
	KindMPMC: "mpmc ring", KindBroadcast: "broadcast ring", KindValue: "value", KindArray: "array", KindMap: "map", KindList: "list",
	KindQueue: "queue", KindNamespace: "namespace", KindPipe: "pipe", KindListener: "listener"}

// String names the kind in words.
func (k Kind) String() string {
	if k >= Kind(len(kindNames)) || kindNames[k] == "" {
		return fmt.Sprintf("kind %d", uint32(k))
	}
	return kindNames[k]
}

// Object is a place in a segment that was checked: its body lies inside, and is what it should be.
type Object struct {
	seg        *Segment
	off        uint64 // of the block
	body       uint64
	end        uint64
	layout     uint64
	generation uint32
	kind       Kind
}

// Segment is the attach that the object was found through.
func (o Object) Segment() *Segment { return o.seg }

// Ref names the object, and so passes it on: one without a name, that its maker asks for its Ref, belongs to
// the segment from then on.
func (o Object) Ref() Ref {
	if o.seg == nil {
		return makeRef(o.layout, o.off, o.generation) // see Unresolved
	}
	if c := control(o.seg.heap.control(o.off).Load()); c.object() && c.generation() == o.generation &&
		c.state() == blockDraft && c.owner() == o.seg.heap.self.Load() {
		_ = o.Settle() // nobody but this process can have destroyed it
	}
	return makeRef(o.seg.id, o.off, o.generation)
}

// Place is the Ref without the segment. It does not pass the object on.
func (o Object) Place() uint64 { return o.Block().Place() }

// Kind is what the object is.
func (o Object) Kind() Kind { return o.kind }

// Layout is the hash of what the body is.
func (o Object) Layout() uint64 { return o.layout }

// Offset is where the body begins in the segment.
func (o Object) Offset() uint64 { return o.body }

// Size is how many bytes there are from the body's begin to the block's end.
func (o Object) Size() uint64 { return o.end - o.body }

// Holds reports whether the body has room for n bytes, which is what a kind's package asks before it
// looks at a body.
func (o Object) Holds(n uint64) error {
	if o.Size() < n {
		return fmt.Errorf("%s of %d bytes, and %d are needed: %w", o.kind, o.Size(), n, ErrCorrupt)
	}
	return nil
}

// Bytes is the memory of the body.
func (o Object) Bytes() []byte { return o.seg.m.bytes(o.body, o.Size()) }

// Lookup finds the object of that name, kind and layout.
func (s *Segment) Lookup(name string, kind Kind, layout uint64) (Object, error) {
	if s.IsClosed() {
		return Object{}, ErrClosed
	}
	if err := checkObjectName(name); err != nil {
		return Object{}, err
	}
	if name == "" {
		return Object{}, fmt.Errorf("empty name: %w", ErrName)
	}
	o, err := s.find(name)
	if err == nil {
		err = o.Expect(kind, layout)
	}
	return o, s.unlessClosed(err)
}

// Resolve finds the object that ref names, and checks that it is of that kind and layout.
func (s *Segment) Resolve(ref Ref, kind Kind, layout uint64) (Object, error) {
	if s.IsClosed() {
		return Object{}, ErrClosed
	}
	o, err := s.resolve(ref)
	if err == nil {
		err = o.Expect(kind, layout)
	}
	return o, s.unlessClosed(err)
}

func (s *Segment) resolve(ref Ref) (Object, error) {
	if ref.segment != s.id {
		return Object{}, fmt.Errorf("%s is in segment %016x: %w", ref, ref.segment, ErrStale)
	}
	o, err := s.objectAt(ref.Offset())
	if err == nil && o.generation != ref.Generation() {
		err = fmt.Errorf("%s: generation is %d now: %w", ref, o.generation, ErrStale)
	}
	return o, err
}

// Expect reports whether the object is of that kind and layout.
func (o Object) Expect(kind Kind, layout uint64) error {
	if o.kind != kind {
		return fmt.Errorf("a %s and no %s: %w", o.kind, kind, ErrKind)
	}
	if o.layout != layout {
		return fmt.Errorf("%s of layout %016x, this program has %016x: %w", kind, o.layout, layout, ErrLayout)
	}
	return nil
}

// objectAt reads the object that begins at off. Whatever it reads is read once, checked, and then used.
func (s *Segment) objectAt(off uint64) (Object, error) {
	_, room, _, err := s.heap.extentOf(off)
	if err != nil {
		return Object{}, err
	}
	c := control(s.heap.control(off).Load())
	if !c.used() || !c.object() || c.state() == blockDoomed {
		return Object{}, fmt.Errorf("no object at %#x: %w", off, ErrStale)
	}
	generation := c.generation()
	h := s.m.block(off)
	size, body, name := h.size, uint64(h.bodyOffset), uint64(h.nameLength)
	if generation < firstGeneration {
		return Object{}, fmt.Errorf("object at %#x of generation %d: %w", off, generation, ErrCorrupt)
	}
	if size < Line || size%Line != 0 || size > room || body%8 != 0 || body > size ||
		name > maxObjectName || body < blockHeaderSize+name {
		return Object{}, fmt.Errorf("object at %#x of %d bytes, body at %d: %w", off, size, body, ErrCorrupt)
	}
	return Object{
		seg: s, off: off, body: off + body, end: off + size,
		layout: h.layout, generation: generation, kind: Kind(h.kind),
	}, nil
}
