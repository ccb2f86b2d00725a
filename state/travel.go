package state

import (
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Handles travel as their Refs: in messages of queues, in arguments of processes, in what maps and lists hold. The receiver
// resolves them in a segment of its own.

// resolved is the handle that works of one that arrived.
func resolved[H any](ref shm.Ref, home any, from func(*shm.Segment, shm.Ref) (*H, error)) (*H, error) {
	seg, err := shm.Reach(home, ref)
	if err != nil {
		return nil, err
	}
	return from(seg, ref)
}

var _ = register()

// register has a Namespace travel in an any, as the only handle here that is of one type.
func register() bool {
	shm.Register[Namespace]()
	return true
}

// MarshalBinary returns the Ref: a Value travels as that.
func (v *Value[T]) MarshalBinary() ([]byte, error) { return segment.Carry(v.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (v *Value[T]) UnmarshalBinary(b []byte) error {
	return v.ref.UnmarshalBinary(b)
}

// Resolve is for the codec: it returns the handle of the same Value in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as ValueFrom does.
func (v *Value[T]) Resolve(home any) (*Value[T], error) {
	return resolved(v.Ref(), home, ValueFrom[T])
}

// MarshalBinary returns the Ref: an Array travels as that.
func (a *Array[T]) MarshalBinary() ([]byte, error) { return segment.Carry(a.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (a *Array[T]) UnmarshalBinary(b []byte) error {
	return a.ref.UnmarshalBinary(b)
}

// Resolve is for the codec: it returns the handle of the same Array in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as ArrayFrom does.
func (a *Array[T]) Resolve(home any) (*Array[T], error) {
	return resolved(a.Ref(), home, ArrayFrom[T])
}

// MarshalBinary returns the Ref: a List travels as that.
func (l *List[T]) MarshalBinary() ([]byte, error) {
	if l.list == nil {
		return segment.Carry(shm.Ref{})
	}
	return segment.Carry(l.Ref())
}

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (l *List[T]) UnmarshalBinary(b []byte) error {
	l.list = new(list)
	return l.ref.UnmarshalBinary(b)
}

// Resolve is for the codec: it returns the handle of the same List in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as ListFrom does.
func (l *List[T]) Resolve(home any) (*List[T], error) {
	return resolved(l.Ref(), home, ListFrom[T])
}

// MarshalBinary returns the Ref: a Map travels as that.
func (m *Map[K, V]) MarshalBinary() ([]byte, error) { return segment.Carry(m.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (m *Map[K, V]) UnmarshalBinary(b []byte) error {
	return m.ref.UnmarshalBinary(b)
}

// Resolve is for the codec: it returns the handle of the same Map in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as MapFrom does.
func (m *Map[K, V]) Resolve(home any) (*Map[K, V], error) {
	return resolved(m.Ref(), home, MapFrom[K, V])
}

// MarshalBinary returns the Ref: a Set travels as that.
func (s *Set[T]) MarshalBinary() ([]byte, error) { return segment.Carry(s.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (s *Set[T]) UnmarshalBinary(b []byte) error {
	s.m = new(Map[T, struct{}])
	return s.m.UnmarshalBinary(b)
}

// Resolve is for the codec: it returns the handle of the same Set in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as SetFrom does.
func (s *Set[T]) Resolve(home any) (*Set[T], error) {
	return resolved(s.Ref(), home, SetFrom[T])
}

// MarshalBinary returns the Ref: a Namespace travels as that.
func (n *Namespace) MarshalBinary() ([]byte, error) {
	if n.m == nil {
		return segment.Carry(shm.Ref{})
	}
	return segment.Carry(n.Ref())
}

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (n *Namespace) UnmarshalBinary(b []byte) error {
	n.m = new(Map[string, attribute])
	return n.m.UnmarshalBinary(b)
}

// Resolve is for the codec: it returns the handle of the same Namespace in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as NamespaceFrom does.
func (n *Namespace) Resolve(home any) (*Namespace, error) {
	return resolved(n.Ref(), home, NamespaceFrom)
}
