package state

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Map is a map that processes share. A K or V that is plain memory of up to 8 bytes (numbers, bools, small arrays and
// structs) is a word; if both are, a pair lies in the table. Any other V can be what the codec can encode: strings, []byte,
// larger plain memory, structs and maps of such; a K, of these, what has no pointer, interface, slice or map in it. Then each
// pair has a block of the heap: what is stored is a copy, and so is what is returned.
//
// Keys that are plain memory are told apart bit by bit: a NaN is like itself, and 0 is not like -0. Strings are by their
// bytes, and other keys by what is encoded of them: fields that stay behind make no difference.
//
// Each call on one key is one step, as if all came one after the other, and there is no lock: no call waits for
// anybody, whether at work, stopped or dead. (One that stores a pair of more than half a run of the heap takes the heap's
// lock for that.) Get only reads. A process that dies leaves each key with its old value or its new one, and nothing to
// repair.
//
// It grows as it fills, a few buckets with every insert, and does not shrink. It takes about 25 bytes for a pair of 16
// where there are many, and the pair's block, if it has one, of at least 64. With its first pair it has about 50 KiB, or 3 in
// a segment of up to 4 MiB. Clear frees the blocks of pairs, and destroying the Map all that it has. A Map whose V is shm.Ref, or a
// handle, keeps the objects that are its values (see the package's documentation).
type Map[K comparable, V any] struct {
	_ noCopy
	place
	t      table
	keys   *codec.Codec[K]
	values *codec.Codec[V]
	bare   bool // pairs are words; any word is a K, and any is a V
	keyed  bool // keys are no words
}

// NewMap makes an empty Map in seg. It fails with errors.ErrUnsupported if seg has room for more than 32,768 participants,
// with an error that names the part of K or V that cannot be encoded, or be in a key, with shm.ErrExist if the name is taken,
// and with shm.ErrNoSpace.
func NewMap[K comparable, V any](seg *shm.Segment, opts ...shm.ObjectOption) (*Map[K, V], error) {
	return newMap[K, V](seg, segment.KindMap, mapLayout[K, V](), opts)
}

// newMap is NewMap of an object of that kind and layout, which is a Map in its bytes.
func newMap[K comparable, V any](
	seg *shm.Segment, kind segment.Kind, layout uint64, opts []shm.ObjectOption,
) (*Map[K, V], error) {
	k, v, err := pairOf[K, V]()
	if err != nil {
		return nil, fmt.Errorf("state: make %s: %w", kind, err)
	}
	if _, err := tagIn(seg.Engine()); err != nil {
		return nil, refuse("make", kind, "", seg, err)
	}
	extent, listed, lists := rowIn(seg.Engine())
	contents := segment.HasRow
	if _, value := pairSizes(k, v); value == inBox {
		contents = segment.HasFullRow
	}
	spec, err := segment.Specify(segment.Spec{
		Kind: kind, Layout: layout, Size: mapSize + 8*lists, Align: segment.Line, Contents: contents,
		Init: func(o segment.Object) {
			s := mapIn(o)
			s.seed = rand.Uint64()
			s.keySize, s.valueSize = pairSizes(k, v)
			s.extent, s.listed, s.lists = extent, listed, lists
			if keeperOf[V]() != nil {
				s.keeps = 1
			}
		},
	}, 0, opts)
	if err != nil {
		return nil, refuse("make", kind, spec.Name, seg, err)
	}
	o, err := seg.Engine().New(spec)
	return mapOf(seg, kind, o, k, v, "make", spec.Name, err)
}

// OpenMap finds the Map of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no Map, and with
// shm.ErrLayout if it is one of another K or V.
func OpenMap[K comparable, V any](seg *shm.Segment, name string) (*Map[K, V], error) {
	return openMap[K, V](seg, segment.KindMap, mapLayout[K, V](), name)
}

func openMap[K comparable, V any](seg *shm.Segment, kind segment.Kind, layout uint64, name string) (*Map[K, V], error) {
	k, v, err := pairOf[K, V]()
	if err != nil {
		return nil, fmt.Errorf("state: open %s %q: %w", kind, name, err)
	}
	o, err := seg.Engine().Lookup(name, kind, layout)
	return mapOf(seg, kind, o, k, v, "open", name, err)
}

// OpenOrNewMap opens the Map of that name, or makes it, whoever else does the same. For its errors see OpenMap and
// NewMap.
func OpenOrNewMap[K comparable, V any](seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Map[K, V], error) {
	return segment.OrNew(func() (*Map[K, V], error) { return OpenMap[K, V](seg, name) },
		func() (*Map[K, V], error) { return NewMap[K, V](seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// MapFrom returns the Map that ref names. It fails with shm.ErrStale if it is not in seg, and else as OpenMap does.
func MapFrom[K comparable, V any](seg *shm.Segment, ref shm.Ref) (*Map[K, V], error) {
	return mapFrom[K, V](seg, segment.KindMap, mapLayout[K, V](), ref)
}

func mapFrom[K comparable, V any](seg *shm.Segment, kind segment.Kind, layout uint64, ref shm.Ref) (*Map[K, V], error) {
	k, v, err := pairOf[K, V]()
	if err != nil {
		return nil, fmt.Errorf("state: resolve %s: %w", kind, err)
	}
	o, err := seg.Engine().Resolve(ref, kind, layout)
	return mapOf(seg, kind, o, k, v, "resolve", "", err)
}

// pairOf are the codecs of K and V.
func pairOf[K comparable, V any]() (*codec.Codec[K], *codec.Codec[V], error) {
	k, errK := codec.For[K]()
	v, errV := codec.For[V]()
	if errK == nil {
		errK = asKey(reflect.TypeFor[K](), reflect.TypeFor[K]().String())
	}
	return k, v, errors.Join(errK, errV)
}

// pairSizes are the sizes of keys and values that are words, as a Map has them.
func pairSizes[K comparable, V any](k *codec.Codec[K], v *codec.Codec[V]) (key, value uint32) {
	key, value = inBox, inBox
	if isWord(k) {
		key = uint32(k.Size())
		if isWord(v) {
			value = uint32(v.Size())
		}
	}
	return key, value
}

// isWord reports whether values of T are plain memory of up to 8 bytes.
func isWord[T any](c *codec.Codec[T]) bool { return c.Plain() && c.Size() <= wordSize }

func mapOf[K comparable, V any](
	seg *shm.Segment, kind segment.Kind, o segment.Object, k *codec.Codec[K], v *codec.Codec[V], op, name string, err error,
) (*Map[K, V], error) {
	m := &Map[K, V]{keys: k, values: v}
	if err == nil {
		err = m.t.open(o)
	}
	key, value := pairSizes(k, v)
	if s := m.t.state; err == nil && (s.keySize != key || s.valueSize != value) {
		err = fmt.Errorf("keys of %d bytes and values of %d: %w", s.keySize, s.valueSize, ErrCorrupt)
	}
	m.t.keeper = keeperOf[V]()
	if err == nil && m.t.keeps != (m.t.keeper != nil) {
		err = fmt.Errorf("boxes that keep something: %v: %w", m.t.keeps, ErrCorrupt)
	}
	if err != nil {
		return nil, refuse(op, kind, name, seg, err)
	}
	m.place = placeOf(o)
	m.keyed = key == inBox
	m.bare = !m.t.boxed && k.Bare() && v.Bare()
	return m, nil
}

// rowIn is what a Map's row of buckets is made of in a segment: the bytes of an extent, the extents of a list, and how many
// lists there are room for.
func rowIn(seg *segment.Segment) (extent, listed, lists uint64) {
	extent = seg.Lockless()
	listed = extent / bucketSize * 32
	return extent, listed, uint64(seg.Size())/extent/listed + 1
}

// tagIn is what claims have of this attach.
func tagIn(seg *segment.Segment) (uint16, error) {
	tag, ok := seg.Tag(seg.Self())
	if !ok {
		return 0, fmt.Errorf("a map among so many participants: %w", errors.ErrUnsupported)
	}
	return tag, nil
}

// open makes t that of the object. What it reads is checked.
func (t *table) open(o segment.Object) error {
	if err := o.Holds(mapSize); err != nil {
		return err
	}
	s := mapIn(o)
	extent, listed, lists := rowIn(o.Segment())
	if s.keeps > 1 || s.extent != extent || s.listed != listed || s.lists != lists || o.Holds(mapSize+8*lists) != nil ||
		o.Offset()%segment.Line != 0 {
		return fmt.Errorf("map of %d lists of %d extents of %d bytes in an object of %d: %w",
			s.lists, s.listed, s.extent, o.Size(), ErrCorrupt)
	}
	tag, err := tagIn(o.Segment())
	if err != nil {
		return err
	}
	shift := uint(0)
	for bucketSize<<shift < extent {
		shift++
	}
	*t = table{
		seg: o.Segment(), self: o.Segment().SelfWord(), state: s, base: baseOf(o), seed: keySeed(s.seed),
		claim: tagClaimed | uint64(tag), race: race.At(o.Segment().ID(), o.Offset()),
		shift: shift, within: 1<<shift - 1, listed: listed, extents: listed * lists, sizes: sizesOf(),
		boxed: s.valueSize == inBox, keeps: s.keeps != 0, raw: s.seed,
	}
	t.known.Store(new([]atomic.Uint64))
	return t.check(t.loadRoot())
}

// Ref names the Map.
func (m *Map[K, V]) Ref() shm.Ref { return m.ref }

// word is a key, or a value, as it lies there.
func asWord[T any](c *codec.Codec[T], bare bool, v T) uint64 {
	if bare {
		return toWord(v)
	}
	return clean(c, &v)
}

// value is what lies there as a V.
func (m *Map[K, V]) value(w uint64) (v V, err error) {
	v = fromWord[V](w)
	if !m.bare && !m.values.Sound(&v) {
		var none V
		return none, fmt.Errorf("a bool that is neither 0 nor 1: %w", ErrCorrupt)
	}
	return v, nil
}

func (m *Map[K, V]) key(w uint64) (k K, err error) {
	k = fromWord[K](w)
	if !m.bare && !m.keys.Sound(&k) {
		var none K
		return none, fmt.Errorf("a bool that is neither 0 nor 1: %w", ErrCorrupt)
	}
	return k, nil
}

// Get is the value of a key, and whether it is there. It waits for nobody. It fails with shm.ErrClosed, and with
// shm.ErrCorrupt if what lies there contradicts itself, which only a process that breaks the rules can have written.
func (m *Map[K, V]) Get(k K) (v V, ok bool, err error) {
	if !m.bare {
		return m.getOther(k)
	}
	w, ok, err := m.t.get(toWord(k))
	if err == nil {
		v = fromWord[V](w)
	} else {
		v, ok, err = m.got("get from", w, ok, err)
	}
	runtime.KeepAlive(m) // the mapping goes with the last handle
	return v, ok, err
}

// getOther is Get of what is not just words.
func (m *Map[K, V]) getOther(k K) (v V, ok bool, err error) {
	if m.t.boxed {
		return m.getBoxed(k)
	}
	w, ok, err := m.t.get(clean(m.keys, &k))
	v, ok, err = m.got("get from", w, ok, err)
	runtime.KeepAlive(m)
	return v, ok, err
}

// got is what a call found, as it is returned.
func (m *Map[K, V]) got(op string, w uint64, found bool, err error) (v V, ok bool, _ error) {
	if err == nil && found {
		v, err = m.value(w)
	}
	return v, found && err == nil, m.wrap(op, err)
}

// Set makes v the value of k. It fails with shm.ErrClosed, shm.ErrReadOnly, shm.ErrCorrupt, with shm.ErrNoSpace if
// there is no memory for the Map to grow, or for the pair's block, and with an error that names the part of k or v that
// cannot be encoded.
func (m *Map[K, V]) Set(k K, v V) error {
	if !m.bare {
		return m.setOther(k, v)
	}
	err := m.t.set(toWord(k), toWord(v))
	runtime.KeepAlive(m)
	if err != nil {
		return m.wrap("set in", err)
	}
	return nil
}

// setOther is Set of what is not just words.
func (m *Map[K, V]) setOther(k K, v V) error {
	if m.t.boxed {
		return m.setBoxed(k, v)
	}
	err := m.t.set(clean(m.keys, &k), clean(m.values, &v))
	runtime.KeepAlive(m)
	return m.wrap("set in", err)
}

// change is that of the table.
func (m *Map[K, V]) change(op string, k K, decide func(was uint64, found bool) (uint64, verdict)) (V, bool, error) {
	w, found, err := m.t.change(asWord(m.keys, m.bare, k), decide)
	runtime.KeepAlive(m)
	return m.got(op, w, found, err)
}

// Swap makes v the value of k, and returns what it was, and whether k was there. It fails as Set and Get do.
func (m *Map[K, V]) Swap(k K, v V) (old V, ok bool, err error) {
	if m.t.boxed {
		return m.swapBoxed(k, v)
	}
	w := asWord(m.values, m.bare, v)
	return m.change("swap in", k, func(uint64, bool) (uint64, verdict) { return w, assign })
}

// Delete takes k out, and reports whether it was there. It fails as Set does, but never with shm.ErrNoSpace.
func (m *Map[K, V]) Delete(k K) (bool, error) {
	if m.t.boxed {
		return m.deleteBoxed(k)
	}
	_, found, err := m.t.change(asWord(m.keys, m.bare, k), func(uint64, bool) (uint64, verdict) { return 0, remove })
	runtime.KeepAlive(m)
	return found && err == nil, m.wrap("delete from", err)
}

// GetOrSet is the value of k, and whether it was there; if not, v is its value from now on, and is returned. It fails
// as Set and Get do.
func (m *Map[K, V]) GetOrSet(k K, v V) (value V, was bool, err error) {
	if m.t.boxed {
		return m.getOrSetBoxed(k, v)
	}
	w := asWord(m.values, m.bare, v)
	value, was, err = m.change("get or set in", k, func(_ uint64, found bool) (uint64, verdict) {
		if found {
			return 0, leave
		}
		return w, assign
	})
	if err == nil && !was {
		value = v
	}
	return value, was, err
}

// CompareAndSwap makes v the value of k if it is old, and reports whether it was. It fails as Set does. Values that are
// plain memory are compared bit by bit, others as they are encoded. A map of Go's has many encodings: for a V with one in it,
// false does not say that the value was another one.
func (m *Map[K, V]) CompareAndSwap(k K, old, v V) (bool, error) {
	if m.t.boxed {
		return m.compareBoxed("compare and swap in", k, old, &v)
	}
	return m.compare("compare and swap in", k, old, asWord(m.values, m.bare, v), assign)
}

// CompareAndDelete takes k out if its value is old, as CompareAndSwap does, and reports whether it was. It fails as Delete does.
func (m *Map[K, V]) CompareAndDelete(k K, old V) (bool, error) {
	if m.t.boxed {
		return m.compareBoxed("compare and delete from", k, old, nil)
	}
	return m.compare("compare and delete from", k, old, 0, remove)
}

func (m *Map[K, V]) compare(op string, k K, old V, w uint64, then verdict) (bool, error) {
	want, same := asWord(m.values, m.bare, old), false
	_, _, err := m.t.change(asWord(m.keys, m.bare, k), func(was uint64, found bool) (uint64, verdict) {
		if same = found && was == want; same {
			return w, then
		}
		return 0, leave
	})
	runtime.KeepAlive(m)
	return same && err == nil, m.wrap(op, err)
}

// Update calls f with a copy of the value of k, or a zero if it is not there, and makes what f leaves there its value,
// unless f returns an error or panics. Nobody is kept from anything meanwhile: if the value was changed before f
// returned, f is called again, with what it is then, so that nobody's Update is lost: any number of times, so f should do nothing else. It returns f's error as it is, and
// else fails as Set and Get do.
func (m *Map[K, V]) Update(k K, f func(v *V, found bool) error) error {
	if m.t.boxed {
		return m.updateBoxed(k, f)
	}
	var mine, unsound error
	_, _, err := m.t.change(asWord(m.keys, m.bare, k), func(was uint64, found bool) (uint64, verdict) {
		var v V
		if found {
			if v, unsound = m.value(was); unsound != nil {
				return 0, leave
			}
		}
		if mine = f(&v, found); mine != nil {
			return 0, leave
		}
		return asWord(m.values, m.bare, v), assign
	})
	runtime.KeepAlive(m)
	if mine != nil {
		return mine
	}
	if err == nil {
		err = unsound
	}
	return m.wrap("update", err)
}

// AddTo adds delta to the value of k, or to 0 if it is not there, at once, and returns the sum, which wraps around as that
// of a V does. It fails as (*Map).Set does.
func AddTo[K comparable, V Number](m *Map[K, V], k K, delta V) (sum V, err error) {
	if m.t.boxed {
		if err = m.updateBoxed(k, func(v *V, _ bool) error { *v += delta; sum = *v; return nil }); err != nil {
			sum = 0
		}
		return sum, err
	}
	_, _, err = m.t.change(asWord(m.keys, m.bare, k), func(was uint64, _ bool) (uint64, verdict) {
		sum = fromWord[V](was) + delta
		return toWord(sum), assign
	})
	runtime.KeepAlive(m)
	if err != nil {
		return 0, m.wrap("add to", err)
	}
	return sum, nil
}

// Len is how many keys there are: exactly, if nobody changes it meanwhile. It looks at every bucket. It fails with
// shm.ErrClosed and shm.ErrCorrupt.
func (m *Map[K, V]) Len() (int, error) {
	n, err := m.t.count()
	runtime.KeepAlive(m)
	return n, m.wrap("count", err)
}

// Clear takes out all keys at once: nobody sees some keys gone and others not, and a process that dies in it leaves all
// there, or none. Then it frees the blocks of pairs, one after the other, while others use the Map; if it dies in that, those
// who store something in it go on. It keeps the table, and waits for nobody. It fails as Delete does.
func (m *Map[K, V]) Clear() error {
	err := m.t.clear()
	runtime.KeepAlive(m)
	return m.wrap("clear", err)
}

// All yields the pairs, in no order that means anything. Others may change the Map meanwhile, and so may the body of the
// loop. A key that is there all the time comes once, whatever else happens; one that comes or goes meanwhile comes once
// or not at all. Each value was there at some moment of the loop. It ends early, with no more than that, if the segment
// is closed or something contradicts itself; Snapshot tells.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { _ = m.each(yield) }
}

func (m *Map[K, V]) each(yield func(K, V) bool) (err error) {
	walked := m.t.walk(func(e entry) bool {
		if m.t.boxed {
			var more bool
			more, err = m.eachIn(e, yield)
			return more
		}
		var k K
		var v V
		if k, err = m.key(e.key); err == nil {
			v, err = m.value(e.value)
		}
		return err == nil && yield(k, v)
	})
	runtime.KeepAlive(m)
	if err == nil {
		err = walked
	}
	return err
}

// Keys yields the keys that All does.
func (m *Map[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) { _ = m.each(func(k K, _ V) bool { return yield(k) }) }
}

// Values yields the values that All does.
func (m *Map[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) { _ = m.each(func(_ K, v V) bool { return yield(v) }) }
}

// Snapshot is what All yields, in a map of Go's. It is no picture of one moment if others change the Map meanwhile. Where
// Go tells keys apart in another way, so does the map: 0 and -0 are one key there, with the value of either, and a NaN is one
// that nothing finds. It fails with shm.ErrClosed and shm.ErrCorrupt.
func (m *Map[K, V]) Snapshot() (map[K]V, error) {
	all := make(map[K]V)
	if err := m.each(func(k K, v V) bool { all[k] = v; return true }); err != nil {
		return nil, m.wrap("copy", err)
	}
	return all, nil
}
