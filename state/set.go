package state

import (
	"iter"

	"github.com/kindred-ipc/kindred/shm"
)

// Set is a set that processes share: a Map without values, and like that in all that it does. What can be a K of a Map can
// be a T. Its object is a Map[T, struct{}], and can be opened as one.
type Set[T comparable] struct {
	_ noCopy
	m *Map[T, struct{}]
}

func setOf[T comparable](m *Map[T, struct{}], err error) (*Set[T], error) {
	if err != nil {
		return nil, err
	}
	return &Set[T]{m: m}, nil
}

// NewSet makes an empty Set in seg. It fails as NewMap does.
func NewSet[T comparable](seg *shm.Segment, opts ...shm.ObjectOption) (*Set[T], error) {
	return setOf(NewMap[T, struct{}](seg, opts...))
}

// OpenSet finds the Set of that name. It fails as OpenMap does.
func OpenSet[T comparable](seg *shm.Segment, name string) (*Set[T], error) {
	return setOf(OpenMap[T, struct{}](seg, name))
}

// OpenOrNewSet opens the Set of that name, or makes it, whoever else does the same. For its errors see OpenMap and NewMap.
func OpenOrNewSet[T comparable](seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Set[T], error) {
	return setOf(OpenOrNewMap[T, struct{}](seg, name, opts...))
}

// SetFrom returns the Set that ref names. It fails as MapFrom does.
func SetFrom[T comparable](seg *shm.Segment, ref shm.Ref) (*Set[T], error) {
	return setOf(MapFrom[T, struct{}](seg, ref))
}

// Ref names the Set.
func (s *Set[T]) Ref() shm.Ref { return s.m.Ref() }

// Has reports whether x is in the Set. It waits for nobody. It fails as (*Map).Get does.
func (s *Set[T]) Has(x T) (bool, error) {
	_, ok, err := s.m.Get(x)
	return ok, err
}

// Add puts x in, and reports whether it was not there: of all who add it, one is told so. It fails as (*Map).Set does.
func (s *Set[T]) Add(x T) (bool, error) {
	_, was, err := s.m.GetOrSet(x, struct{}{})
	return !was && err == nil, err
}

// Remove takes x out, and reports whether it was there. It fails as (*Map).Delete does.
func (s *Set[T]) Remove(x T) (bool, error) { return s.m.Delete(x) }

// Len is how many there are: exactly, if nobody changes it meanwhile. It fails as (*Map).Len does.
func (s *Set[T]) Len() (int, error) { return s.m.Len() }

// Clear takes all out at once, as (*Map).Clear does.
func (s *Set[T]) Clear() error { return s.m.Clear() }

// All yields what is in the Set, as (*Map).Keys does.
func (s *Set[T]) All() iter.Seq[T] { return s.m.Keys() }

// Snapshot is what All yields, in a map of Go's, as (*Map).Snapshot does.
func (s *Set[T]) Snapshot() (map[T]struct{}, error) { return s.m.Snapshot() }
