package state

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// What a Map does whose pairs lie in boxes.

// encode is the word of a key, and its bytes if it is no word, which may be those of *k.
func (m *Map[K, V]) encode(k *K) (word uint64, key []byte, err error) {
	if !m.keyed {
		return clean(m.keys, k), nil, nil
	}
	key, lies := m.keys.Verbatim(k)
	if !lies {
		if key, err = m.keys.Append(nil, *k); err != nil {
			return 0, nil, err
		}
	}
	return m.t.hashOf(key), key, nil
}

// decode is a value that was copied, or whose box is still to be looked at.
func (m *Map[K, V]) decode(value []byte) (v V, err error) {
	if v, err = m.values.Value(m.seg, value); err != nil {
		err = segment.Misread(err)
	}
	return v, err
}

func (m *Map[K, V]) getBoxed(k K) (v V, found bool, err error) {
	word, key, err := m.encode(&k)
	if err == nil {
		v, found, err = m.lookUp(word, key)
	}
	runtime.KeepAlive(m)
	return v, found, m.wrap("get from", err)
}

// lookUp is the value in a box. It waits for nobody: a box that is freed under it was replaced.
func (m *Map[K, V]) lookUp(word uint64, key []byte) (v V, found bool, err error) {
	stale := uint64(0)
	for i := range tries {
		place, there, err := m.t.get(word)
		if err != nil || !there {
			return *new(V), false, err
		}
		if place == stale {
			return *new(V), false, m.t.seg.Sound(missed(place))
		}
		if box, memory, ok := m.t.unpack(place); ok {
			value, found, err := pick(memory, pairsIn(place), key)
			if err == nil && found {
				v, err = m.decode(value)
			}
			if box.Current() {
				if closed := m.t.readable(); closed != nil { // these may have been Close's zeros
					return *new(V), false, closed
				}
				return v, found && err == nil, m.t.seg.Sound(err)
			}
		}
		stale = place
		if i%16 == 15 {
			runtime.Gosched()
		}
	}
	return *new(V), false, m.t.seg.Sound(endlessly())
}

// changeBoxed does with a key what decide says, which is called with its encoded value, if it looks at it.
func (m *Map[K, V]) changeBoxed(k K, looks bool, decide func(was []byte, found bool) (now []byte, then verdict, err error)) error {
	word, key, err := m.encode(&k)
	if err == nil {
		p := packing{t: &m.t, key: key, looks: looks, decide: decide}
		err = p.change(word)
	}
	runtime.KeepAlive(m)
	return err
}

func (m *Map[K, V]) setBoxed(k K, v V) error {
	now, err := m.values.Append(nil, v)
	if err == nil {
		err = m.changeBoxed(k, false, func([]byte, bool) ([]byte, verdict, error) { return now, assign, nil })
	}
	return m.wrap("set in", err)
}

func (m *Map[K, V]) swapBoxed(k K, v V) (old V, found bool, err error) {
	now, err := m.values.Append(nil, v)
	if err == nil {
		err = m.changeBoxed(k, true, func(was []byte, there bool) (_ []byte, _ verdict, err error) {
			if old, found = *new(V), there; there {
				old, err = m.decode(was)
			}
			return now, assign, err
		})
	}
	if err != nil {
		return *new(V), false, m.wrap("swap in", err)
	}
	return old, found, nil
}

func (m *Map[K, V]) deleteBoxed(k K) (found bool, err error) {
	err = m.changeBoxed(k, false, func(_ []byte, there bool) ([]byte, verdict, error) {
		found = there
		return nil, remove, nil
	})
	return found && err == nil, m.wrap("delete from", err)
}

func (m *Map[K, V]) getOrSetBoxed(k K, v V) (value V, found bool, err error) {
	now, err := m.values.Append(nil, v)
	if err == nil {
		err = m.changeBoxed(k, true, func(was []byte, there bool) (_ []byte, _ verdict, err error) {
			if found = there; !there {
				value = v
				return now, assign, nil
			}
			value, err = m.decode(was)
			return nil, leave, err
		})
	}
	if err != nil {
		return *new(V), false, m.wrap("get or set in", err)
	}
	return value, found, nil
}

// compareBoxed makes *v the value of k, or takes it out if there is no v, if its value is old.
func (m *Map[K, V]) compareBoxed(op string, k K, old V, v *V) (same bool, err error) {
	then := remove
	var now []byte
	want, err := m.values.Append(nil, old)
	if err == nil && v != nil {
		then = assign
		now, err = m.values.Append(nil, *v)
	}
	if err == nil {
		err = m.changeBoxed(k, true, func(was []byte, found bool) ([]byte, verdict, error) {
			if same = found && bytes.Equal(was, want); same {
				return now, then, nil
			}
			return nil, leave, nil
		})
	}
	return same && err == nil, m.wrap(op, err)
}

func (m *Map[K, V]) updateBoxed(k K, f func(v *V, found bool) error) error {
	var mine error
	err := m.changeBoxed(k, true, func(was []byte, found bool) (now []byte, _ verdict, err error) {
		var v V
		if found {
			if v, err = m.decode(was); err != nil {
				return nil, leave, err
			}
		}
		if mine = f(&v, found); mine != nil {
			return nil, leave, nil
		}
		now, err = m.values.Append(nil, v)
		return now, assign, err
	})
	if mine != nil {
		return mine
	}
	return m.wrap("update", err)
}

// pairOfBox is a pair of a box.
type pairOfBox[K comparable, V any] struct {
	key   K
	value V
}

// eachIn yields the pairs in the box of a word that a walk found, or in that which it has by now.
func (m *Map[K, V]) eachIn(e entry, yield func(K, V) bool) (more bool, err error) {
	var few [1]pairOfBox[K, V]
	var all []pairOfBox[K, V]
	read := func(memory []byte, n int) (bool, error) {
		all = few[:0]
		for range n {
			key, value, rest, err := cutPair(memory)
			if err != nil {
				return true, err
			}
			var p pairOfBox[K, V]
			if !m.keyed {
				p.key, err = m.key(e.key)
			} else if p.key, err = m.keys.Value(m.seg, key); err != nil {
				err = segment.Misread(err)
			}
			if err == nil {
				p.value, err = m.decode(value)
			}
			if err != nil {
				return true, err
			}
			all = append(all, p)
			memory = rest
		}
		return true, nil
	}
	found, same, err := m.t.openBox(e.value, read)
	if !same {
		found, err = m.t.each(e.key, read)
	}
	if err != nil || !found {
		return err == nil, m.t.seg.Sound(err)
	}
	for _, p := range all {
		if !yield(p.key, p.value) {
			return false, nil
		}
	}
	return true, nil
}

// asKey reports why a type cannot be that of keys: equal ones would have to be encoded alike, and to be the same ones when they
// arrive.
func asKey(t reflect.Type, path string) error {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return fmt.Errorf("%s: a key of a Map that has a %s: %w", path, t.Kind(), codec.ErrUnencodable)
	case reflect.Array:
		return asKey(t.Elem(), path+"[]")
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return nil // its text
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() && !f.Anonymous && codec.Plain(f.Type) != nil {
				continue // it stays behind
			}
			if err := asKey(f.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
