package state

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// ValueInfo is what a Value looks like to an observer of its segment.
type ValueInfo struct {
	Size   uint64              `json:"size"`   // of the value in bytes
	Word   uint64              `json:"word"`   // the value, if it has up to 8 bytes; else how often it was stored
	Holder segment.Participant `json:"holder"` // of the lock; Owner 0: nobody
}

// String tells the state in words.
func (v ValueInfo) String() string {
	s := fmt.Sprintf("%d bytes: %#x", v.Size, v.Word)
	if v.Size > wordSize {
		s = fmt.Sprintf("%d bytes, stored %d times", v.Size, v.Word)
	}
	return locked(s, v.Holder)
}

func locked(s string, holder segment.Participant) string {
	if holder.Owner != 0 {
		s += ", locked by " + holder.String()
	}
	return s
}

// ArrayInfo is what an Array looks like to an observer of its segment.
type ArrayInfo struct {
	Length uint64              `json:"length"`
	Size   uint64              `json:"size"`   // of an element in bytes
	Holder segment.Participant `json:"holder"` // of the lock; Owner 0: nobody
}

// String tells the state in words.
func (a ArrayInfo) String() string {
	return locked(fmt.Sprintf("%d elements of %d bytes", a.Length, a.Size), a.Holder)
}

// MapInfo is what a Map looks like to an observer of its segment.
type MapInfo struct {
	Pairs     int    `json:"pairs"`
	KeySize   uint32 `json:"key_size"`   // in bytes, 0 if keys are no words
	ValueSize uint32 `json:"value_size"` // likewise
	Boxed     bool   `json:"boxed"`      // pairs lie in blocks of their own
	Buckets   uint64 `json:"buckets"`    // that keys have for their home
	Growing   uint64 `json:"growing"`    // buckets that are to be moved yet, 0: it does not grow
	Clearing  uint64 `json:"clearing"`   // buckets that are to be wiped yet, behind Clear
}

// String tells the state in words.
func (m MapInfo) String() string {
	s := fmt.Sprintf("%d pairs of %d and %d bytes in %d buckets", m.Pairs, m.KeySize, m.ValueSize, m.Buckets)
	if m.Boxed {
		s = fmt.Sprintf("%d pairs in boxes, in %d buckets", m.Pairs, m.Buckets)
	}
	if m.Growing > 0 {
		s += fmt.Sprintf(", growing: %d to be moved", m.Growing)
	}
	if m.Clearing > 0 {
		s += fmt.Sprintf(", cleared: %d to be wiped", m.Clearing)
	}
	return s
}

// ListInfo is what a List looks like to an observer of its segment.
type ListInfo struct {
	Length   uint64              `json:"length"`
	Capacity uint64              `json:"capacity"` // elements that there is room for until it gets other memory
	Size     uint64              `json:"size"`     // of an element in bytes
	Holder   segment.Participant `json:"holder"`   // of the lock; Owner 0: nobody
}

// String tells the state in words.
func (l ListInfo) String() string {
	return locked(fmt.Sprintf("%d elements of %d bytes, room for %d", l.Length, l.Size, l.Capacity), l.Holder)
}

// Inspect is for tools of this module: it describes o, an object of this package in a segment that was
// opened for observation, and changes nothing. It fails with shm.ErrCorrupt, and with shm.ErrKind for other
// objects.
func Inspect(o segment.Object) (fmt.Stringer, error) {
	switch o.Kind() {
	case segment.KindValue:
		size, err := valueExtent(o)
		if err != nil {
			return nil, err
		}
		return ValueInfo{Size: size, Word: valueIn(o).word.Load(), Holder: holderOf(o)}, nil
	case segment.KindArray:
		x, err := arrayExtent(o)
		if err != nil {
			return nil, err
		}
		return ArrayInfo{Length: x.length, Size: x.size, Holder: holderOf(o)}, nil
	case segment.KindMap, segment.KindNamespace:
		return inspectMap(o)
	case segment.KindList:
		l, err := listOf(o)
		if err != nil {
			return nil, err
		}
		info := ListInfo{Size: l.size, Holder: holderOf(o)}
		err = l.read(func(v *version) error { info.Length, info.Capacity = v.length, v.capacity; return nil })
		if err != nil {
			return nil, err
		}
		return info, nil
	}
	return nil, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
}

func inspectMap(o segment.Object) (fmt.Stringer, error) {
	var t table
	if err := t.open(o); err != nil {
		return nil, err
	}
	r := t.loadRoot()
	n, err := t.count()
	if err != nil {
		return nil, err
	}
	info := MapInfo{
		Pairs: n, KeySize: t.state.keySize, ValueSize: t.state.valueSize, Boxed: t.boxed, Buckets: t.homes(r.level()),
		Growing: r.cut(), Clearing: r.dirty(),
	}
	if t.boxed {
		info.ValueSize = 0
	}
	if info.KeySize == inBox {
		info.KeySize = 0
	}
	return info, nil
}

// lockOf is the lock of an object of this package.
func lockOf(o segment.Object) segment.Lock {
	off := valueLock
	switch o.Kind() {
	case segment.KindArray:
		off = arrayLock
	case segment.KindList:
		off = listLock
	}
	return o.Segment().LockAt(o.Offset() + off)
}

func holderOf(o segment.Object) segment.Participant {
	l := lockOf(o)
	holder, _ := l.Holder()
	return o.Segment().Participant(holder)
}

// Check is for tools of this module: it reports whether o, an object of this package, is in a state that
// exists. It may run beside others at work, and changes nothing.
func Check(o segment.Object) error {
	if _, err := Inspect(o); err != nil {
		return err
	}
	if o.Kind() == segment.KindMap || o.Kind() == segment.KindNamespace {
		var t table
		if err := t.open(o); err != nil {
			return err
		}
		return t.consistent()
	}
	l := lockOf(o)
	return l.Check()
}
