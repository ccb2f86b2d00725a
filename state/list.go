package state

import (
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"slices"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// List is values in an order that processes share: as many as there is room for in the segment. A T that is plain memory
// (no pointers, strings, slices or maps) lies there as it is. Any other one that the codec can encode (a string, a []byte,
// structs and maps of such) lies in a block of the heap of its own: what is stored is a copy, and so is what is loaded.
//
// Each call is one step to all others, however many elements it concerns: they see the list before it, or after it, and
// a process that dies in it leaves one of these. Reading (Load, Len, Slice, Index, ...) waits for nobody. Changing it
// takes the list's lock, and waits for a change that is under way, and for one that is stopped in the middle until it goes
// on or dies. There is no order among those who wait.
//
// Load, Store, Append, Pop and PopFront take a time that does not depend on the length; Append and Pop move the
// elements to another block of the heap now and then, as append does with a slice. What is not at an end is changed by
// writing all elements anew. Until that is done there are two copies of them.
//
// Elements are alike if they are bit by bit (so a NaN is like itself, and 0 is not like -0); those that are no plain memory,
// if reflect.DeepEqual says so of what arrives.
//
// A List of shm.Refs, or of handles, keeps the objects that they name (see the package's documentation).
type List[T any] struct {
	_ noCopy
	*list
	codec *codec.Codec[T]
	bare  bool // T is plain memory, any bytes are a T, and any T is its bytes
}

// NewList makes an empty List in seg. It fails with an error that names the field if T cannot be encoded, with
// shm.ErrExist if the name is taken, and with shm.ErrNoSpace.
func NewList[T any](seg *shm.Segment, opts ...shm.ObjectOption) (*List[T], error) {
	c, err := codec.For[T]()
	if err != nil {
		return nil, fmt.Errorf("state: make list: %w", err)
	}
	size, stride := listElement(c)
	contents := segment.HasSlots
	if size == 0 && stride == wordSize {
		contents = segment.HasBoxes
	}
	spec, err := segment.Specify(segment.Spec{
		Kind: segment.KindList, Layout: layoutOf[listState, T](), Size: listBody(size), Align: segment.Line, Contents: contents,
		Init: func(o segment.Object) {
			s := listIn(o)
			s.size, s.stride = size, stride
		},
	}, 0, opts)
	if err != nil {
		return nil, refuse("make", segment.KindList, spec.Name, seg, err)
	}
	o, err := seg.Engine().New(spec)
	return listFace(seg, o, c, "make", spec.Name, err)
}

// OpenList finds the List of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no List, and with
// shm.ErrLayout if it is one of another T.
func OpenList[T any](seg *shm.Segment, name string) (*List[T], error) {
	c, err := codec.For[T]()
	if err != nil {
		return nil, fmt.Errorf("state: open list %q: %w", name, err)
	}
	o, err := seg.Engine().Lookup(name, segment.KindList, layoutOf[listState, T]())
	return listFace(seg, o, c, "open", name, err)
}

// OpenOrNewList opens the List of that name, or makes it, empty, whoever else does the same. For its errors see
// OpenList and NewList.
func OpenOrNewList[T any](seg *shm.Segment, name string, opts ...shm.ObjectOption) (*List[T], error) {
	return segment.OrNew(func() (*List[T], error) { return OpenList[T](seg, name) },
		func() (*List[T], error) { return NewList[T](seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// ListFrom returns the List that ref names. It fails with shm.ErrStale if it is not in seg, and else as OpenList does.
func ListFrom[T any](seg *shm.Segment, ref shm.Ref) (*List[T], error) {
	c, err := codec.For[T]()
	if err != nil {
		return nil, fmt.Errorf("state: resolve list: %w", err)
	}
	o, err := seg.Engine().Resolve(ref, segment.KindList, layoutOf[listState, T]())
	return listFace(seg, o, c, "resolve", "", err)
}

func listFace[T any](seg *shm.Segment, o segment.Object, c *codec.Codec[T], op, name string, err error) (*List[T], error) {
	var l *list
	if err == nil {
		l, err = listOf(o)
	}
	if size, stride := listElement(c); err == nil && (l.size != size || l.stride != stride) {
		err = fmt.Errorf("elements of %d bytes, each %d, and %d, each %d, are needed: %w", l.size, l.stride, size, stride, ErrCorrupt)
	}
	if err != nil {
		return nil, refuse(op, segment.KindList, name, seg, err)
	}
	l.keeper = keeperOf[T]()
	return &List[T]{list: l, codec: c, bare: c.Bare() && !l.boxed}, nil
}

// listElement is the size of an element and its distance to the next; of one in a box 0, and that of places.
func listElement[T any](c *codec.Codec[T]) (size, stride uint64) {
	if !c.Plain() || keeperOf[T]() != nil {
		return 0, wordSize
	}
	size = sizeOf[T]()
	return size, listStride(size)
}

// Ref names the List.
func (l *List[T]) Ref() shm.Ref { return l.ref }

// Len is how many elements it has at the moment. It fails with shm.ErrClosed.
func (l *List[T]) Len() (n int, err error) {
	if v, err := l.look(); err == nil && v.length > 0 && l.still(&v) { // so these were not Close's zeros
		if race.Enabled {
			l.race.Acquire(0)
		}
		return int(v.length), nil
	}
	err = l.read(func(v *version) error { n = int(v.length); return nil })
	if err != nil {
		n = 0
	}
	return n, l.wrap("measure", err)
}

// Load is element i. It fails with ErrRange, shm.ErrClosed, and shm.ErrCorrupt if what lies there is no T, which only a
// process that breaks the rules can have written.
func (l *List[T]) Load(i int) (x T, err error) {
	s := l.state.sequence.Load()
	h, e := l.headerAt(s), l.last.Load()
	k := peek(&h.first) + uint64(i)
	// Close's zeros name no block, and a block that was looked at is one.
	if l.bare && e != nil && e.place == peek(&h.place) && uint64(i) < peek(&h.length) && peek(&h.pending) == 0 && k < 2*e.capacity {
		if k >= e.capacity {
			k -= e.capacity
		}
		if x = element[T](e.data, k*l.stride, l.stride); l.state.sequence.Load() == s {
			if race.Enabled {
				l.race.Acquire(0)
			}
			runtime.KeepAlive(l) // the mapping goes with the last handle
			return x, nil
		}
	}
	return l.loadSlow(i)
}

func (l *List[T]) loadSlow(i int) (x T, err error) {
	err = l.read(func(v *version) (err error) {
		if err := within(v, i, 1); err != nil {
			return err
		}
		x, err = l.get(v, uint64(i))
		return err
	})
	if err != nil {
		x = *new(T)
	}
	return x, l.wrap("load from", err)
}

// within says why there are no n elements from i on.
func within(v *version, i, n int) error {
	if i < 0 || n < 0 || uint64(i)+uint64(n) > v.length {
		if n == 1 {
			return fmt.Errorf("index %d of %d: %w", i, v.length, ErrRange)
		}
		return fmt.Errorf("%d elements from %d of %d: %w", n, i, v.length, ErrRange)
	}
	return nil
}

// get is element i, which there is. An error counts if the list is still what it was.
func (l *List[T]) get(v *version, i uint64) (x T, err error) {
	if l.boxed {
		return l.open(v, i)
	}
	if k := v.slot(i); k+1 == v.pending {
		x = element[T](l.spare, 0, l.stride)
	} else {
		x = element[T](v.data, k*l.stride, l.stride)
	}
	if !l.codec.Sound(&x) {
		return x, fmt.Errorf("a bool that is neither 0 nor 1: %w", ErrCorrupt)
	}
	return x, nil
}

// open is get of an element that is in a box.
func (l *List[T]) open(v *version, i uint64) (x T, err error) {
	k := v.slot(i)
	w, _ := l.word(v.slots, k)
	if k+1 == v.pending {
		w = l.spareWord()
	}
	b, err := l.unbox(peek(w))
	if err != nil {
		return x, err
	}
	if err := l.codec.DecodeIn(l.seg, b, &x); err != nil {
		return x, segment.Misread(err)
	}
	return x, nil
}

// Slice is a copy of elements i to j, without j, as they are at one moment. It fails with ErrRange, and else as Load
// does.
func (l *List[T]) Slice(i, j int) ([]T, error) {
	var dst []T
	err := l.read(func(v *version) (err error) {
		if err := within(v, i, j-i); err != nil {
			return err
		}
		dst, err = l.appendTo(dst[:0], v, uint64(i), uint64(j))
		return err
	})
	if err != nil {
		return nil, l.wrap("slice", err)
	}
	return dst, nil
}

// Snapshot is a copy of all elements, as they are at one moment. It fails as Load does.
func (l *List[T]) Snapshot() ([]T, error) {
	var dst []T
	err := l.read(func(v *version) (err error) {
		dst, err = l.appendTo(dst[:0], v, 0, v.length)
		return err
	})
	if err != nil {
		return nil, l.wrap("copy", err)
	}
	return dst, nil
}

// appendTo appends elements i to j.
func (l *List[T]) appendTo(dst []T, v *version, i, j uint64) ([]T, error) {
	dst = slices.Grow(dst, int(j-i))
	if plainWords && l.bare && v.pending == 0 && l.stride == l.size {
		for i < j {
			k := v.slot(i)
			n := min(j-i, v.capacity-k)
			dst = append(dst, stretch[T](v.data, k, n)...)
			i += n
		}
		return dst, nil
	}
	for ; i < j; i++ {
		x, err := l.get(v, i)
		if err != nil {
			return dst, err
		}
		dst = append(dst, x)
	}
	return dst, nil
}

// All yields the elements in their order, each as it is when it is its turn, up to the end as it is then: the loop sees
// what is changed meanwhile, and may change the list. Snapshot is for a walk over what there is at one moment. It ends
// likewise if the segment is closed or an element is no T; Load tells.
func (l *List[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := 0; ; i++ {
			x, err := l.Load(i)
			if err != nil || !yield(i, x) {
				return
			}
		}
	}
}

// Index is where the first element is that is like x, or -1. It fails as Load does.
func (l *List[T]) Index(x T) (int, error) {
	at := -1
	x, err := l.arrived(x)
	if err != nil {
		return at, l.wrap("search", err)
	}
	err = l.read(func(v *version) (err error) {
		at, err = l.indexOf(v, &x)
		return err
	})
	if err != nil {
		at = -1
	}
	return at, l.wrap("search", err)
}

func (l *List[T]) indexOf(v *version, x *T) (int, error) {
	for i := range v.length {
		y, err := l.get(v, i)
		if err != nil {
			return -1, err
		}
		if l.like(x, &y) {
			return int(i), nil
		}
	}
	return -1, nil
}

// arrived is x as it is when it was stored and loaded.
func (l *List[T]) arrived(x T) (T, error) {
	if !l.boxed {
		return x, nil
	}
	b, err := l.codec.Append(nil, x)
	if err == nil {
		err = l.codec.DecodeIn(l.seg, b, &x)
	}
	return x, err
}

// like reports whether two elements are alike.
func (l *List[T]) like(x, y *T) bool {
	if l.boxed {
		return reflect.DeepEqual(*x, *y)
	}
	return same(l.codec, x, y)
}

// Contains reports whether an element is like x. It fails as Load does.
func (l *List[T]) Contains(x T) (bool, error) {
	i, err := l.Index(x)
	return i >= 0, err
}

// Count is how many elements are like x at one moment. It fails as Load does.
func (l *List[T]) Count(x T) (n int, err error) {
	if x, err = l.arrived(x); err != nil {
		return 0, l.wrap("search", err)
	}
	err = l.read(func(v *version) error {
		n = 0
		for i := range v.length {
			y, err := l.get(v, i)
			if err != nil {
				return err
			}
			if l.like(&x, &y) {
				n++
			}
		}
		return nil
	})
	if err != nil {
		n = 0
	}
	return n, l.wrap("search", err)
}
