package state

import (
	"fmt"
	"iter"
	"slices"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Namespace is named attributes of mixed types that processes share: what a Map[string, any] would be, if what arrives
// were of the type that was stored. Each attribute knows its type. Put stores one, and Get loads it, as that very type:
//
//	err := state.Put(ns, "limit", 10)
//	n, ok, err := state.Get[int](ns, "limit")
//
// What can be stored is what the codec can encode, which arrives as a copy; a handle of this package (*Value, *Array, *List, *Map,
// *Set, *Namespace), which arrives as a handle of the same object; and a shm.Ref of any object. A handle, or a Ref, keeps
// the object (see the package's documentation). A handle of another package is stored by its Ref.
//
// Types are told apart by their layout: two with the same fields of the same kinds are one type here, whatever they are
// called, as they may be called otherwise in another program.
//
// Each call on one attribute is one step, and waits for nobody, as with a Map, which a Namespace is in its bytes.
type Namespace struct {
	_   noCopy
	seg *shm.Segment
	m   *Map[string, attribute]
}

// namespaceLayout is the hash that a Namespace carries.
func namespaceLayout() uint64 { return mapLayout[string, struct{ Attribute []byte }]() }

func namespaceOf(seg *shm.Segment, m *Map[string, attribute], err error) (*Namespace, error) {
	if err != nil {
		return nil, err
	}
	return &Namespace{seg: seg, m: m}, nil
}

// NewNamespace makes a Namespace without attributes in seg. It fails as NewMap does.
func NewNamespace(seg *shm.Segment, opts ...shm.ObjectOption) (*Namespace, error) {
	m, err := newMap[string, attribute](seg, segment.KindNamespace, namespaceLayout(), opts)
	return namespaceOf(seg, m, err)
}

// OpenNamespace finds the Namespace of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if it is none.
func OpenNamespace(seg *shm.Segment, name string) (*Namespace, error) {
	m, err := openMap[string, attribute](seg, segment.KindNamespace, namespaceLayout(), name)
	return namespaceOf(seg, m, err)
}

// OpenOrNewNamespace opens the Namespace of that name, or makes it, whoever else does the same. For its errors see
// OpenNamespace and NewNamespace.
func OpenOrNewNamespace(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Namespace, error) {
	return segment.OrNew(func() (*Namespace, error) { return OpenNamespace(seg, name) },
		func() (*Namespace, error) { return NewNamespace(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// NamespaceFrom returns the Namespace that ref names. It fails with shm.ErrStale if it is not in seg, and else as
// OpenNamespace does.
func NamespaceFrom(seg *shm.Segment, ref shm.Ref) (*Namespace, error) {
	m, err := mapFrom[string, attribute](seg, segment.KindNamespace, namespaceLayout(), ref)
	return namespaceOf(seg, m, err)
}

// Ref names the Namespace.
func (n *Namespace) Ref() shm.Ref { return n.m.Ref() }

// Put makes v the attribute of that name, whatever it was before, and of whatever type. It fails with shm.ErrClosed,
// shm.ErrReadOnly, shm.ErrCorrupt, shm.ErrNoSpace, with shm.ErrStale if v is a handle, or a Ref, of an object that was
// destroyed, or a handle of one in another segment, and with an error that names the part of v that cannot be encoded.
func Put[T any](n *Namespace, name string, v T) error {
	b, err := pack(n, v)
	if err != nil {
		return n.wrap("put", name, err)
	}
	return n.m.Set(name, b)
}

// Get is the attribute of that name, and whether there is one. It waits for nobody. It fails with ErrType, which names
// both types, if what was stored is no T; with shm.ErrStale if T is a handle, and the object is gone; and as (*Map).Get
// does.
func Get[T any](n *Namespace, name string) (v T, ok bool, err error) {
	b, ok, err := n.m.Get(name)
	if err != nil || !ok {
		return v, false, err
	}
	if v, err = unpack[T](n, b); err != nil {
		return *new(T), false, n.wrap("get", name, err)
	}
	return v, true, nil
}

// Change calls f with a copy of the attribute of that name, or a zero if there is none, and makes what f leaves there the
// attribute, unless f returns an error or panics. If it was changed before f returned, f is called again, with what it is
// then, so that nobody's Change is lost. T is no handle. It returns f's error as it is, and else fails as Get and Put do.
func Change[T any](n *Namespace, name string, f func(v *T, found bool) error) error {
	var mine, failed error
	err := n.m.Update(name, func(b *attribute, found bool) error {
		var v T
		mine, failed = nil, nil
		if found {
			v, failed = unpack[T](n, *b)
		}
		if failed == nil {
			if mine = f(&v, found); mine != nil {
				return mine
			}
			*b, failed = pack(n, v)
		}
		return failed
	})
	if mine != nil {
		return mine
	}
	if failed != nil {
		return n.wrap("change", name, failed)
	}
	return err
}

// Delete takes the attribute of that name away, and reports whether there was one. It fails as (*Map).Delete does.
func (n *Namespace) Delete(name string) (bool, error) { return n.m.Delete(name) }

// Len is how many attributes there are: exactly, if nobody changes them meanwhile. It fails as (*Map).Len does.
func (n *Namespace) Len() (int, error) { return n.m.Len() }

// Clear takes all attributes away, as (*Map).Clear does.
func (n *Namespace) Clear() error { return n.m.Clear() }

// Names are the names of the attributes, sorted. It fails with shm.ErrClosed and shm.ErrCorrupt.
func (n *Namespace) Names() ([]string, error) {
	var names []string
	if err := n.m.each(func(name string, _ attribute) bool { names = append(names, name); return true }); err != nil {
		return nil, n.m.wrap("list", err)
	}
	slices.Sort(names)
	return names, nil
}

// All yields the names of the attributes and what their types are called by the program that stored them, with the
// guarantees of (*Map).All.
func (n *Namespace) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, b := range n.m.All() {
			a, err := b.cut()
			if err != nil || !yield(name, a.name) {
				return
			}
		}
	}
}

func (n *Namespace) wrap(op, name string, err error) error {
	return n.m.wrap(fmt.Sprintf("%s %q in", op, name), err)
}
