package shm

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// NewStruct makes a T in s, zeroed, for what a program lays out itself: a struct of words, arrays and the plain
// states of locks (sync.MutexState and so on), to which sync.MutexAt and so on give the handle.
//
//	type account struct {
//		mu      sync.MutexState
//		balance int64
//	}
//
// T is plain memory: of fixed size, without pointers, strings, slices or maps. Who stores to it and who loads
// from it agree on that by a lock, or use the types of sync/atomic.
//
// The pointer is good while s is open and in use: the program keeps s. After Close it reads zeros. NewStruct
// fails with an error that names the field if T is not plain memory, with ErrExist and with ErrNoSpace.
func NewStruct[T any](s *Segment, opts ...ObjectOption) (*T, Ref, error) {
	layout, err := structLayout[T]()
	if err != nil {
		return nil, Ref{}, fmt.Errorf("shm: make struct: %w", err)
	}
	spec := segment.Spec{Kind: segment.KindRaw, Layout: layout, Size: uint64(reflect.TypeFor[T]().Size())}
	for _, o := range opts {
		o(&spec)
	}
	o, err := s.engine.New(spec)
	return structOf[T](s, o, "make", spec.Name, err)
}

// OpenStruct finds the T of that name. It fails with ErrNotExist, with ErrKind if something else has the name,
// and with ErrLayout if it is a struct of another type.
func OpenStruct[T any](s *Segment, name string) (*T, Ref, error) {
	layout, err := structLayout[T]()
	if err != nil {
		return nil, Ref{}, fmt.Errorf("shm: open struct %q: %w", name, err)
	}
	o, err := s.engine.Lookup(name, segment.KindRaw, layout)
	return structOf[T](s, o, "open", name, err)
}

// OpenOrNewStruct finds the T of that name, or makes it, whoever else does the same. For its errors see OpenStruct
// and NewStruct.
func OpenOrNewStruct[T any](s *Segment, name string, opts ...ObjectOption) (v *T, ref Ref, err error) {
	_, err = segment.OrNew(func() (_ struct{}, err error) {
		v, ref, err = OpenStruct[T](s, name)
		return struct{}{}, err
	}, func() (_ struct{}, err error) {
		v, ref, err = NewStruct[T](s, append(slices.Clip(opts), Named(name))...)
		return struct{}{}, err
	})
	return v, ref, err
}

// StructFrom returns the T that ref names. It fails with ErrStale if it is not in s, and else as OpenStruct does.
func StructFrom[T any](s *Segment, ref Ref) (*T, error) {
	layout, err := structLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("shm: resolve struct: %w", err)
	}
	o, err := s.engine.Resolve(ref, segment.KindRaw, layout)
	v, _, err := structOf[T](s, o, "resolve", "", err)
	return v, err
}

func structLayout[T any]() (uint64, error) {
	t := reflect.TypeFor[T]()
	if err := codec.Plain(t); err != nil {
		return 0, err
	}
	return codec.LayoutHash(t), nil
}

func structOf[T any](s *Segment, o segment.Object, op, name string, err error) (*T, Ref, error) {
	if err == nil {
		err = o.Holds(uint64(reflect.TypeFor[T]().Size()))
	}
	if err != nil {
		return nil, Ref{}, fmt.Errorf("shm: %s struct %q in segment %s: %w", op, name, s.engine, err)
	}
	return bodyOf[T](o), o.Ref(), nil
}
