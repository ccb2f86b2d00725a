package state

import (
	"context"
	"errors"
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

// Array is a fixed number of values that processes share. T is plain memory: no pointers, strings, slices or
// maps. An index that it does not have is ErrRange.
//
// Elements of up to 8 bytes are words, which lie one behind the other, each in 1, 2, 4 or 8 bytes: what is
// done to one waits for nobody. Load sees what was stored before what it sees; Store comes behind all that
// the goroutine stored before it; Swap, CompareAndSwap and AddAt are full fences.
//
// Larger elements lie there twice, as a Value does, with its promises: Load is never torn and waits for
// nobody, whoever writes has the lock of the Array meanwhile, and a dead writer leaves the old value or the
// new one. Such an element takes twice its size and 8 bytes.
//
// What concerns many elements (All, CopyTo, CopyFrom, Fill) does so one after the other: others may change
// them in between.
type Array[T any] struct {
	_ noCopy
	cells[T]
	fast   uint // elements of direct, none once the segment is closed
	direct []T  // the elements, if T is a number that a plain access reads or writes at once (see plainWords)
	slow   func(int) (T, error)
	rest   func(int, T) error // loadSlow and storeSlow: calls through fields leave Store small enough to be inlined
	data   *byte
	length int
	size   uint64
	stride uint64
	word   bool // elements are words
	race   race.Word
}

// NewArray makes an Array of n zeros in seg. It fails with ErrRange if n is negative or too large for the
// segment, with an error that names the field if T holds a pointer, with shm.ErrExist and shm.ErrNoSpace.
func NewArray[T any](seg *shm.Segment, n int, opts ...shm.ObjectOption) (*Array[T], error) {
	c, err := plain[T]()
	if err != nil {
		return nil, fmt.Errorf("state: make array: %w", err)
	}
	size := sizeOf[T]()
	stride := strideOf(size)
	spec, err := segment.Specify(segment.Spec{
		Kind: segment.KindArray, Layout: layoutOf[arrayState, T](), Size: arraySize + uint64(n)*stride, Align: segment.Line,
		Init: func(o segment.Object) {
			s := arrayIn(o)
			s.length, s.size, s.stride, s.data = uint64(n), size, stride, o.Offset()+arraySize
		},
	}, 0, opts)
	if n < 0 || uint64(n) > uint64(seg.Size())/stride {
		err = fmt.Errorf("%d elements of %d bytes in a segment of %d: %w", n, stride, seg.Size(), ErrRange)
	}
	if err != nil {
		return nil, refuse("make", segment.KindArray, spec.Name, seg, err)
	}
	o, err := seg.Engine().New(spec)
	return arrayOf(seg, o, c, "make", spec.Name, err)
}

// OpenArray finds the Array of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no Array,
// and with shm.ErrLayout if it is one of another T.
func OpenArray[T any](seg *shm.Segment, name string) (*Array[T], error) {
	c, err := plain[T]()
	if err != nil {
		return nil, fmt.Errorf("state: open array %q: %w", name, err)
	}
	o, err := seg.Engine().Lookup(name, segment.KindArray, layoutOf[arrayState, T]())
	return arrayOf(seg, o, c, "open", name, err)
}

// OpenOrNewArray opens the Array of that name, which has as many elements as it was made with, or makes it with
// n, whoever else does the same. For its errors see OpenArray and NewArray.
func OpenOrNewArray[T any](seg *shm.Segment, name string, n int, opts ...shm.ObjectOption) (*Array[T], error) {
	return segment.OrNew(func() (*Array[T], error) { return OpenArray[T](seg, name) },
		func() (*Array[T], error) { return NewArray[T](seg, n, append(slices.Clip(opts), shm.Named(name))...) })
}

// ArrayFrom returns the Array that ref names. It fails with shm.ErrStale if it is not in seg, and else as
// OpenArray does.
func ArrayFrom[T any](seg *shm.Segment, ref shm.Ref) (*Array[T], error) {
	c, err := plain[T]()
	if err != nil {
		return nil, fmt.Errorf("state: resolve array: %w", err)
	}
	o, err := seg.Engine().Resolve(ref, segment.KindArray, layoutOf[arrayState, T]())
	return arrayOf(seg, o, c, "resolve", "", err)
}

func arrayOf[T any](seg *shm.Segment, o segment.Object, c *codec.Codec[T], op, name string, err error) (*Array[T], error) {
	size := sizeOf[T]()
	var x extent
	if err == nil {
		x, err = arrayExtent(o)
	}
	if err == nil && x.size != size {
		err = fmt.Errorf("elements of %d bytes, and %d are needed: %w", x.size, size, ErrCorrupt)
	}
	if err != nil {
		return nil, refuse(op, segment.KindArray, name, seg, err)
	}
	a := &Array[T]{
		cells: cellsOf(o, c, arrayLock), data: elementsIn(o), length: int(x.length), size: size,
		stride: x.stride, word: size <= wordSize, race: race.At(seg.ID(), o.Offset()),
	}
	a.slow, a.rest = a.loadSlow, a.storeSlow
	if plainWords && a.contiguous() && isScalar[T]() && a.seg.Writable() == nil {
		a.direct, a.fast = view[T](a.data, 0, a.length), uint(a.length)
		atClose(a.seg, a, func(a *Array[T]) { a.fast = 0 })
	}
	return a, nil
}

// contiguous reports whether the elements are words of just their size.
func (a *Array[T]) contiguous() bool { return a.word && a.size == a.stride }

// extent is what an Array consists of.
type extent struct{ length, size, stride uint64 }

// arrayExtent reads the extent of an Array once, and sees to it that the elements fill the object, which is
// as large as it must be, rounded up to a line.
func arrayExtent(o segment.Object) (extent, error) {
	if err := o.Holds(arraySize); err != nil {
		return extent{}, err
	}
	s := arrayIn(o)
	x, data, room := extent{s.length, s.size, s.stride}, s.data, o.Size()-arraySize
	if x.size > o.Size() || x.stride != strideOf(x.size) || x.length > room/x.stride || room-x.length*x.stride >= segment.Line ||
		data != o.Offset()+arraySize || o.Offset()%segment.Line != 0 {
		return extent{}, fmt.Errorf("%d elements of %d bytes, each %d, at %#x in an object of %d at %#x: %w",
			x.length, x.size, x.stride, data, o.Size(), o.Offset(), ErrCorrupt)
	}
	return x, nil
}

// Ref names the Array.
func (a *Array[T]) Ref() shm.Ref { return a.ref }

// Len is how many elements it has, which never changes.
func (a *Array[T]) Len() int { return a.length }

// usable says why n elements from i on cannot be written to.
func (a *Array[T]) usable(i, n int) error {
	if err := a.within(i, n); err != nil {
		return err
	}
	return a.seg.Writable()
}

func (a *Array[T]) within(i, n int) error {
	if i < 0 || n < 0 || i > a.length-n {
		if n == 1 {
			return fmt.Errorf("index %d of %d: %w", i, a.length, ErrRange)
		}
		return fmt.Errorf("%d elements from %d of %d: %w", n, i, a.length, ErrRange)
	}
	return nil
}

func (a *Array[T]) twinAt(i int) twin {
	off := uint64(i) * a.stride
	return twinAt(sequenceAt(a.data, off), copiesAt(a.data, off, a.size), a.size)
}

// Load is element i. It waits for nobody. It fails with ErrRange, shm.ErrClosed, and shm.ErrCorrupt if what
// lies there is no T, which only a process that breaks the rules can have written.
func (a *Array[T]) Load(i int) (x T, err error) {
	if uint(i) < a.fast {
		x = a.direct[i]
	} else {
		x, err = a.slow(i)
	}
	runtime.KeepAlive(a) // the mapping goes with the last handle
	return x, err
}

func (a *Array[T]) loadSlow(i int) (x T, err error) {
	if err := a.within(i, 1); err != nil {
		return x, a.wrap("load from", err)
	}
	x, err = a.get(i)
	return x, a.wrap("load from", err)
}

// get is element i, which there is.
func (a *Array[T]) get(i int) (x T, err error) {
	if a.word {
		x = fromWord[T](a.loadWord(i))
	} else {
		t := a.twinAt(i)
		err = t.read(bytesOf(&x), &a.lock)
	}
	if race.Enabled {
		a.race.Acquire(uint64(i))
	}
	return a.checked(x, err)
}

// Store makes x element i. It fails with ErrRange, shm.ErrClosed and shm.ErrReadOnly.
func (a *Array[T]) Store(i int, x T) (err error) {
	if uint(i) >= a.fast {
		return a.rest(i, x)
	}
	a.direct[i] = x
	runtime.KeepAlive(a) // the mapping goes with the last handle
	return
}

func (a *Array[T]) storeSlow(i int, x T) error {
	if err := a.usable(i, 1); err != nil {
		return a.wrap("store to", err)
	}
	return a.wrap("store to", a.set(i, x))
}

// set makes x element i, which there is.
func (a *Array[T]) set(i int, x T) error {
	if !a.word {
		_, err := a.exchange(i, x, nil)
		return err
	}
	if race.Enabled {
		a.race.Release(uint64(i))
	}
	a.storeWord(i, clean(a.codec, &x))
	return a.seg.Writable()
}

// Swap makes x element i, and returns what it was. It fails as Store and Load do.
func (a *Array[T]) Swap(i int, x T) (old T, err error) {
	if err := a.usable(i, 1); err != nil {
		return old, a.wrap("swap in", err)
	}
	old, err = a.exchange(i, x, nil)
	return old, a.wrap("swap in", err)
}

// CompareAndSwap makes x element i if that is old, bit by bit, and reports whether it was. It fails as Store
// and Load do.
func (a *Array[T]) CompareAndSwap(i int, old, x T) (bool, error) {
	if err := a.usable(i, 1); err != nil {
		return false, a.wrap("compare and swap in", err)
	}
	was, err := a.exchange(i, x, &old)
	if err != nil {
		return false, a.wrap("compare and swap in", err)
	}
	return same(a.codec, &was, &old), nil
}

// exchange makes x element i, if that is *want or want is nil, and returns what it was.
func (a *Array[T]) exchange(i int, x T, want *T) (was T, err error) {
	a.codec.Clean(&x)
	if race.Enabled {
		a.race.Release(uint64(i))
	}
	if a.word {
		return a.exchangeWord(i, x, want)
	}
	if err := hold(context.Background(), &a.lock); err != nil {
		return was, err
	}
	t := a.twinAt(i)
	t.current(bytesOf(&was))
	if was, err = a.checked(was, nil); err != nil && want == nil && !errors.Is(err, ErrClosed) {
		err = nil // whatever lies there is replaced
	}
	if err == nil && (want == nil || same(a.codec, &was, want)) {
		t.write(bytesOf(&x))
	}
	return was, errors.Join(err, a.letGo())
}

func (a *Array[T]) exchangeWord(i int, x T, want *T) (T, error) {
	for {
		w := a.loadWord(i)
		was := fromWord[T](w)
		if want != nil {
			if !same(a.codec, &was, want) {
				return a.checked(was, nil)
			}
		}
		if a.swapWord(i, w, clean(a.codec, &x)) {
			if race.Enabled {
				a.race.Acquire(uint64(i))
			}
			if !a.codec.Sound(&was) {
				was = fromWord[T](0)
			}
			return was, a.seg.Writable() // Close may have put its zeros under the word
		}
		if a.seg.IsClosed() {
			return was, ErrClosed
		}
	}
}

// Update calls f with a copy of element i, and makes what f leaves there the element, unless f returns an
// error or panics. The lock of the Array is held meanwhile. It is to an element what (*Value).Update is to a
// Value, and fails likewise, and with ErrRange.
func (a *Array[T]) Update(ctx context.Context, i int, f func(*T) error) error {
	if err := a.within(i, 1); err != nil {
		return a.wrap("update", err)
	}
	return a.update(ctx, f, func(x *T) uint64 { return a.draw(i, x) }, func(w uint64, x *T) bool { return a.commit(i, w, x) })
}

// draw copies element i, for who holds the lock, and returns the word if it is one.
func (a *Array[T]) draw(i int, x *T) (w uint64) {
	if a.word {
		w = a.loadWord(i)
		*x = fromWord[T](w)
	} else {
		t := a.twinAt(i)
		t.current(bytesOf(x))
	}
	if race.Enabled {
		a.race.Acquire(uint64(i))
	}
	return w
}

// commit makes *x element i, unless that is a word which is w no more.
func (a *Array[T]) commit(i int, w uint64, x *T) bool {
	if race.Enabled {
		a.race.Release(uint64(i))
	}
	if a.word {
		return a.swapWord(i, w, wordOf(x))
	}
	t := a.twinAt(i)
	t.write(bytesOf(x))
	return true
}

// All yields the elements in their order, each as it is when it is its turn. It ends early, with no more
// than that, if the segment is closed or an element is no T; CopyTo tells.
func (a *Array[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, v := range a.direct {
			if a.fast == 0 || !yield(i, v) {
				return
			}
		}
		for i := len(a.direct); i < a.length; i++ {
			v, err := a.Load(i)
			if err != nil || !yield(i, v) {
				return
			}
		}
	}
}

// CopyTo copies elements to dst, from element i on: as many as there are, or fit. It returns how many. It
// fails with ErrRange if there is no element i and i is not Len, and as Load does.
func (a *Array[T]) CopyTo(dst []T, i int) (n int, err error) {
	if err := a.within(i, 0); err != nil {
		return 0, a.wrap("copy from", err)
	}
	for ; n < len(dst) && i+n < a.length; n++ {
		if dst[n], err = a.Load(i + n); err != nil {
			return n, err
		}
	}
	return n, nil
}

// CopyFrom stores src from element i on, all of it: if it does not fit, it fails with ErrRange, and stores
// nothing. It fails else as Store does.
func (a *Array[T]) CopyFrom(src []T, i int) error {
	if err := a.usable(i, len(src)); err != nil {
		return a.wrap("copy to", err)
	}
	for k, v := range src {
		if err := a.Store(i+k, v); err != nil {
			return err
		}
	}
	return nil
}

// Fill stores x to all elements. It fails as Store does.
func (a *Array[T]) Fill(x T) error {
	for i := range a.length {
		if err := a.Store(i, x); err != nil {
			return err
		}
	}
	return nil
}

// Slice is elements i to j, without j, in place: what is stored there others see, with no order among
// stores, and no more whole than the machine's own (a field of an element may be new and another old). It
// reads zeros once the segment is closed, must not be used when the Array is not referred to any more, and
// must not be written to in a segment that was opened for observation. It fails with ErrRange, with
// shm.ErrClosed, and with errors.ErrUnsupported if the elements do not lie there as a slice: if T is not of
// 1, 2, 4 or 8 bytes.
func (a *Array[T]) Slice(i, j int) ([]T, error) {
	if err := a.within(i, j-i); err != nil {
		return nil, a.wrap("slice", err)
	}
	if err := a.readable(); err != nil {
		return nil, a.wrap("slice", err)
	}
	if !a.contiguous() {
		return nil, a.wrap("slice", fmt.Errorf("elements of %d bytes: %w", a.size, errors.ErrUnsupported))
	}
	return view[T](a.data, i, j-i), nil
}

// isScalar reports whether a T is loaded and stored by one instruction, whatever its size.
func isScalar[T any]() bool {
	k := reflect.TypeFor[T]().Kind()
	return isInteger[T]() || k == reflect.Float32 || k == reflect.Float64
}

// isInteger reports whether T is an integer.
func isInteger[T any]() bool {
	switch k := reflect.TypeFor[T]().Kind(); {
	case reflect.Int <= k && k <= reflect.Int64, reflect.Uint <= k && k <= reflect.Uint64:
		return true
	}
	return false
}
