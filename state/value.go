package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// Value is one value that processes share. T is plain memory: no pointers, strings, slices or maps.
//
// A T of up to 8 bytes is a word: all of Load, Store, Swap, CompareAndSwap and Add are one atomic access, or
// a loop around one, and wait for nobody. Each is a full fence, as those of sync/atomic are. Such a Value
// takes 48 bytes.
//
// A larger T lies there twice. Load waits for nobody, and is never torn, whether by a writer at work, one
// that is stopped, or one that was killed. Whoever writes has the object's lock meanwhile: Store, Swap and
// CompareAndSwap wait for an Update that is under way, and for one that is stopped in the middle until it
// goes on or dies. A dead writer leaves the old value or the new one, whole.
type Value[T any] struct {
	_ noCopy
	cells[T]
	fast  bool // direct is the value: T is a number that a plain load reads at once (see plainWords)
	count bool // counter is: it is an integer of 8 bytes, and this process may write
	bare  bool // T is a word, any bytes are one, and this process may write
	word  bool // T is a word

	direct  *T
	counter *word.Uint64
	slow    func() (T, error)  // loadSlow and addSlow: calls through fields leave Load and Add small enough to
	add     func(T) (T, error) // be inlined
	state   *valueState
	self    *atomic.Uint64 // of the segment; 0 once it is closed
	race    race.Word
	twin    twin // of a larger T
}

// NewValue makes a Value in seg that holds v. It fails with an error that names the field if T holds a
// pointer, with shm.ErrExist if the name is taken, and with shm.ErrNoSpace.
func NewValue[T any](seg *shm.Segment, v T, opts ...shm.ObjectOption) (*Value[T], error) {
	c, err := plain[T]()
	if err != nil {
		return nil, fmt.Errorf("state: make value: %w", err)
	}
	size := sizeOf[T]()
	spec, err := segment.Specify(segment.Spec{
		Kind: segment.KindValue, Layout: layoutOf[valueState, T](), Size: valueBody(size),
		Init: func(o segment.Object) {
			c.Clean(&v)
			s := valueIn(o)
			s.size = size
			if size <= wordSize {
				s.word.Store(wordOf(&v))
			} else {
				copy(o.Bytes()[valueSize:], bytesOf(&v)) // copy 0
			}
		},
	}, 0, opts)
	if err != nil {
		return nil, refuse("make", segment.KindValue, spec.Name, seg, err)
	}
	o, err := seg.Engine().New(spec)
	return valueOf(seg, o, c, "make", spec.Name, err)
}

// OpenValue finds the Value of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no Value,
// and with shm.ErrLayout if it is one of another T.
func OpenValue[T any](seg *shm.Segment, name string) (*Value[T], error) {
	c, err := plain[T]()
	if err != nil {
		return nil, fmt.Errorf("state: open value %q: %w", name, err)
	}
	o, err := seg.Engine().Lookup(name, segment.KindValue, layoutOf[valueState, T]())
	return valueOf(seg, o, c, "open", name, err)
}

// OpenOrNewValue opens the Value of that name, or makes it with v, whoever else does the same. For its errors
// see OpenValue and NewValue.
func OpenOrNewValue[T any](seg *shm.Segment, name string, v T, opts ...shm.ObjectOption) (*Value[T], error) {
	return segment.OrNew(func() (*Value[T], error) { return OpenValue[T](seg, name) },
		func() (*Value[T], error) { return NewValue(seg, v, append(slices.Clip(opts), shm.Named(name))...) })
}

// ValueFrom returns the Value that ref names. It fails with shm.ErrStale if it is not in seg, and else as
// OpenValue does.
func ValueFrom[T any](seg *shm.Segment, ref shm.Ref) (*Value[T], error) {
	c, err := plain[T]()
	if err != nil {
		return nil, fmt.Errorf("state: resolve value: %w", err)
	}
	o, err := seg.Engine().Resolve(ref, segment.KindValue, layoutOf[valueState, T]())
	return valueOf(seg, o, c, "resolve", "", err)
}

func valueOf[T any](seg *shm.Segment, o segment.Object, c *codec.Codec[T], op, name string, err error) (*Value[T], error) {
	size := sizeOf[T]()
	var have uint64
	if err == nil {
		have, err = valueExtent(o)
	}
	if err == nil && have != size {
		err = fmt.Errorf("%d bytes, and %d are needed: %w", have, size, ErrCorrupt)
	}
	if err != nil {
		return nil, refuse(op, segment.KindValue, name, seg, err)
	}
	v := &Value[T]{
		cells: cellsOf(o, c, valueLock), state: valueIn(o), self: seg.Engine().SelfWord(),
		race: race.At(seg.ID(), o.Offset()), word: size <= wordSize,
	}
	v.slow, v.add = v.loadSlow, v.addSlow
	v.direct, v.counter = new(T), new(word.Uint64)
	v.bare = v.word && c.Bare() && v.seg.Writable() == nil
	if !v.word {
		v.twin = twinAt(&v.state.word, o.Bytes()[valueSize:][:copiesSize(size)], size)
	}
	if plainWords && v.word && isScalar[T]() {
		v.direct, v.fast = pointerTo[T](&v.state.word), true
		if v.bare && size == 8 && isInteger[T]() {
			v.counter, v.count = &v.state.word, true
		}
		atClose(v.seg, v, func(v *Value[T]) { v.fast, v.count = false, false })
	}
	return v, nil
}

// valueExtent is the size of what a Value holds. It sees to it that the object has room for it.
func valueExtent(o segment.Object) (size uint64, err error) {
	if err := o.Holds(valueSize); err != nil {
		return 0, err
	}
	size = valueIn(o).size
	if size > o.Size() || o.Holds(valueBody(size)) != nil || o.Offset()%8 != 0 {
		return 0, fmt.Errorf("value of %d bytes in an object of %d: %w", size, o.Size(), ErrCorrupt)
	}
	return size, nil
}

// Ref names the Value.
func (v *Value[T]) Ref() shm.Ref { return v.ref }

// Load is the value. It waits for nobody. It fails with shm.ErrClosed, and with shm.ErrCorrupt if what
// lies there is no T, which only a process that breaks the rules can have written.
func (v *Value[T]) Load() (x T, err error) {
	x = *v.direct
	if !v.fast { // that was a T that nobody looks at, or Close's zeros
		x, err = v.slow()
	}
	return
}

func (v *Value[T]) loadSlow() (T, error) {
	x, err := v.get()
	return x, v.wrap("load", err)
}

func (v *Value[T]) get() (x T, err error) {
	if v.word {
		x = fromWord[T](v.state.word.Load())
	} else {
		err = v.twin.read(bytesOf(&x), &v.lock)
	}
	if race.Enabled {
		v.race.Acquire(0)
	}
	return v.checked(x, err)
}

// Store makes x the value. It fails with shm.ErrClosed and shm.ErrReadOnly.
func (v *Value[T]) Store(x T) error {
	if v.bare && v.self.Load() != 0 {
		if race.Enabled {
			v.race.Release(0)
		}
		v.state.word.Store(toWord(x))
		if v.self.Load() != 0 { // else Close may have put its zeros under the word
			return nil
		}
	}
	return v.storeSlow(x)
}

func (v *Value[T]) storeSlow(x T) error {
	_, err := v.exchange(x, nil)
	return v.wrap("store to", err)
}

// Swap makes x the value, and returns what it was. It fails as Store and Load do.
func (v *Value[T]) Swap(x T) (old T, err error) {
	old, err = v.exchange(x, nil)
	return old, v.wrap("swap", err)
}

// CompareAndSwap makes x the value if it is old, bit by bit (so a NaN is like itself, and 0 is not like -0),
// and reports whether it was. It fails as Store and Load do.
func (v *Value[T]) CompareAndSwap(old, x T) (bool, error) {
	was, err := v.exchange(x, &old)
	if err != nil {
		return false, v.wrap("compare and swap", err)
	}
	return same(v.codec, &was, &old), nil
}

// exchange makes x the value, if it is *want or want is nil, and returns what it was.
func (v *Value[T]) exchange(x T, want *T) (was T, err error) {
	if err := v.seg.Writable(); err != nil {
		return was, err
	}
	v.codec.Clean(&x)
	if race.Enabled {
		v.race.Release(0)
	}
	if v.word {
		return v.exchangeWord(x, want)
	}
	if err := hold(context.Background(), &v.lock); err != nil {
		return was, err
	}
	v.twin.current(bytesOf(&was))
	if was, err = v.checked(was, nil); err != nil && want == nil && !errors.Is(err, ErrClosed) {
		err = nil // whatever lies there is replaced
	}
	if err == nil && (want == nil || same(v.codec, &was, want)) {
		v.twin.write(bytesOf(&x))
	}
	return was, errors.Join(err, v.letGo())
}

func (v *Value[T]) exchangeWord(x T, want *T) (T, error) {
	for {
		w := v.state.word.Load()
		was := fromWord[T](w)
		if want != nil {
			if !same(v.codec, &was, want) {
				return v.checked(was, nil)
			}
		}
		if v.state.word.CompareAndSwap(w, clean(v.codec, &x)) {
			if race.Enabled {
				v.race.Acquire(0)
			}
			if !v.codec.Sound(&was) {
				was = fromWord[T](0)
			}
			return was, v.seg.Writable() // Close may have put its zeros under the word
		}
		if v.seg.IsClosed() {
			return was, ErrClosed
		}
	}
}

// Update calls f with a copy of the value, and makes what f leaves there the value, unless f returns an
// error or panics. The object's lock is held meanwhile: Updates come one after the other, and nobody's is
// lost. If T is larger than 8 bytes, nobody else can store meanwhile; if it is a word, others can, and f is
// called again with what they stored. It commits by one store, so a process that dies leaves the old value
// or the new one, and the next one goes on without being told.
//
// Update waits for the lock until ctx is over. It returns f's error as it is, and else fails with the
// context's, shm.ErrClosed, shm.ErrReadOnly and shm.ErrCorrupt. f must not keep the pointer, and must not use the
// Value but by Load: a Store, an Add or an Update in there may wait for this very Update, without end.
func (v *Value[T]) Update(ctx context.Context, f func(*T) error) error {
	return v.update(ctx, f, v.draw, v.commit)
}

// draw copies the value, for who holds the lock, and returns the word if it is one.
func (v *Value[T]) draw(x *T) (w uint64) {
	if v.word {
		w = v.state.word.Load()
		*x = fromWord[T](w)
	} else {
		v.twin.current(bytesOf(x))
	}
	if race.Enabled {
		v.race.Acquire(0)
	}
	return w
}

// commit makes *x the value, unless that is a word which is w no more.
func (v *Value[T]) commit(w uint64, x *T) bool {
	if race.Enabled {
		v.race.Release(0)
	}
	if v.word {
		return v.state.word.CompareAndSwap(w, wordOf(x))
	}
	v.twin.write(bytesOf(x))
	return true
}
