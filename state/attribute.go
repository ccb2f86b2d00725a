package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// attribute is a value with its type, as a Namespace stores it: one byte, attributeValue or attributeRef; the hash of
// the type's layout, in 8 bytes; how many bytes its name has, in 2; the name; and what the codec wrote, or the Ref. Of a
// handle the layout is 0: the object has its own.
type attribute []byte

const (
	attributeValue = iota
	attributeRef

	attributeHead = 11
	longestType   = 1<<16 - 1
)

// cutAttribute is an attribute in its parts.
type cutAttribute struct {
	ref    bool
	layout uint64
	name   string
	data   []byte
}

func (b attribute) cut() (a cutAttribute, err error) {
	if len(b) >= attributeHead && b[0] <= attributeRef {
		name := int(binary.LittleEndian.Uint16(b[9:]))
		if rest := b[attributeHead:]; name <= len(rest) {
			return cutAttribute{b[0] == attributeRef, binary.LittleEndian.Uint64(b[1:]), string(rest[:name]), rest[name:]}, nil
		}
	}
	return a, fmt.Errorf("attribute of %d bytes: %w", len(b), ErrCorrupt)
}

// handle is what has a Ref. Those of this package find their object again.
type handle interface{ Ref() shm.Ref }

type finder interface {
	handle
	from(seg *shm.Segment, ref shm.Ref) (any, error)
}

func (*Value[T]) from(seg *shm.Segment, ref shm.Ref) (any, error)  { return ValueFrom[T](seg, ref) }
func (*Array[T]) from(seg *shm.Segment, ref shm.Ref) (any, error)  { return ArrayFrom[T](seg, ref) }
func (*List[T]) from(seg *shm.Segment, ref shm.Ref) (any, error)   { return ListFrom[T](seg, ref) }
func (*Map[K, V]) from(seg *shm.Segment, ref shm.Ref) (any, error) { return MapFrom[K, V](seg, ref) }
func (*Set[T]) from(seg *shm.Segment, ref shm.Ref) (any, error)    { return SetFrom[T](seg, ref) }
func (*Namespace) from(seg *shm.Segment, ref shm.Ref) (any, error) { return NamespaceFrom(seg, ref) }

// pack is v with its type.
func pack[T any](n *Namespace, v T) (attribute, error) {
	t := reflect.TypeFor[T]()
	name := t.String()
	name = name[:min(len(name), longestType)]
	b := make(attribute, attributeHead, 64)
	binary.LittleEndian.PutUint16(b[9:], uint16(len(name)))
	b = append(b, name...)
	ref, isRef := any(v).(shm.Ref)
	if h, ok := any(v).(handle); ok && t.Kind() == reflect.Pointer {
		if reflect.ValueOf(v).IsNil() {
			return nil, fmt.Errorf("%v that is nil: %w", t, codec.ErrUnencodable)
		}
		if ref = h.Ref(); ref.Segment() != n.seg.ID() {
			return nil, fmt.Errorf("%v in another segment, %016x: %w", t, ref.Segment(), shm.ErrStale)
		}
		isRef = true
	}
	if isRef {
		b[0] = attributeRef
		return ref.AppendBinary(b)
	}
	c, err := codec.For[T]()
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint64(b[1:], codec.LayoutHash(t))
	return c.Append(b, v)
}

// unpack is the T that pack made b of.
func unpack[T any](n *Namespace, b attribute) (v T, err error) {
	a, err := b.cut()
	if err != nil {
		return v, err
	}
	t := reflect.TypeFor[T]()
	f, isHandle := any(v).(finder)
	_, isRef := any(v).(shm.Ref)
	if a.ref != (isHandle || isRef) || !a.ref && a.layout != codec.LayoutHash(t) {
		return v, typeError(a, t)
	}
	if a.ref {
		var ref shm.Ref
		if err := ref.UnmarshalBinary(a.data); err != nil || isRef {
			v, _ = any(ref).(T)
			return v, err
		}
		found, err := f.from(n.seg, ref)
		switch {
		case errors.Is(err, shm.ErrKind) || errors.Is(err, shm.ErrLayout):
			return v, fmt.Errorf("a %s, and no %v: %w: %w", a.name, t, ErrType, err)
		case err != nil:
			return v, err
		}
		return found.(T), nil
	}
	c, err := codec.For[T]()
	if err != nil {
		return v, err
	}
	if v, err = c.Value(n.seg.Engine(), a.data); err != nil {
		err = segment.Misread(err)
	}
	return v, err
}

func typeError(a cutAttribute, t reflect.Type) error {
	if a.name == t.String() {
		return fmt.Errorf("a %s of layout %016x, and no %v of layout %016x: %w", a.name, a.layout, t, codec.LayoutHash(t), ErrType)
	}
	return fmt.Errorf("a %s, and no %v: %w", a.name, t, ErrType)
}
