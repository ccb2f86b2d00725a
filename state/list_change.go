package state

import (
	"context"
	"slices"
)

// Store makes x element i. It fails with ErrRange, shm.ErrClosed and shm.ErrReadOnly.
func (l *List[T]) Store(i int, x T) error {
	return l.change(context.Background(), "store to", func(v *version) error {
		if err := within(v, i, 1); err != nil {
			return err
		}
		l.set(v, uint64(i), x)
		return nil
	})
}

// set makes x element i, which there is: in the spare, which commits it, and then where it belongs.
func (l *List[T]) set(v *version, i uint64, x T) {
	l.write(bytesAt(l.spare, 0, l.stride), x)
	v.pending = v.slot(i) + 1
	l.commit(v)
	l.redo(v)
}

// write makes x what lies in a slot that nobody looks at.
func (l *List[T]) write(slot []byte, x T) {
	if !l.bare {
		l.codec.Clean(&x)
	}
	clear(slot[copy(slot, bytesOf(&x)):])
}

// put writes xs to the slots of e from k on, around the end.
func (l *List[T]) put(e *slots, k uint64, xs []T) {
	for _, x := range xs {
		if k == e.capacity {
			k = 0
		}
		l.write(l.at(e, k, 1), x)
		k++
	}
}

// Update calls f with a copy of element i, and makes what f leaves there the element, unless f returns an error or
// panics. Nobody else changes the list meanwhile. It waits for the lock until ctx is over. It returns f's error as it is,
// and else fails with the context's, ErrRange, shm.ErrClosed, shm.ErrReadOnly and shm.ErrCorrupt. f must not change the
// List.
func (l *List[T]) Update(ctx context.Context, i int, f func(*T) error) error {
	return l.change(ctx, "update", func(v *version) error {
		if err := within(v, i, 1); err != nil {
			return err
		}
		var x T
		if err := l.get(v, uint64(i), &x); err != nil {
			return err
		}
		if err := f(&x); err != nil {
			return &usersError{err}
		}
		l.set(v, uint64(i), x)
		return nil
	})
}

// Append adds xs at the end, all at once. It fails with shm.ErrNoSpace, and else as Store does.
func (l *List[T]) Append(xs ...T) error {
	return l.change(context.Background(), "append to", func(v *version) error { return l.splice(v, v.length, v.length, xs) })
}

// Prepend adds xs before the first element, in their order, all at once. It fails as Append does.
func (l *List[T]) Prepend(xs ...T) error {
	return l.change(context.Background(), "prepend to", func(v *version) error { return l.splice(v, 0, 0, xs) })
}

// Insert adds xs before element i, or at the end if i is the length. It fails with ErrRange, and else as Append does.
func (l *List[T]) Insert(i int, xs ...T) error { return l.replace("insert into", i, i, xs) }

// Delete removes elements i to j, without j. It fails as Insert does.
func (l *List[T]) Delete(i, j int) error { return l.replace("delete from", i, j, nil) }

// Replace puts xs into the place of elements i to j, without j. It fails as Insert does.
func (l *List[T]) Replace(i, j int, xs ...T) error { return l.replace("replace in", i, j, xs) }

func (l *List[T]) replace(op string, i, j int, xs []T) error {
	return l.change(context.Background(), op, func(v *version) error {
		if err := within(v, i, j-i); err != nil {
			return err
		}
		return l.splice(v, uint64(i), uint64(j), xs)
	})
}

// Pop removes the last element, and returns it. It fails with ErrEmpty, and else as Load and Store do.
func (l *List[T]) Pop() (T, error) { return l.pop(func(v *version) uint64 { return v.length - 1 }) }

// PopFront removes the first element, and returns it. It fails as Pop does.
func (l *List[T]) PopFront() (T, error) { return l.pop(func(*version) uint64 { return 0 }) }

// pop removes the element that which says.
func (l *List[T]) pop(which func(v *version) uint64) (x T, err error) {
	err = l.change(context.Background(), "pop from", func(v *version) error {
		if v.length == 0 {
			return ErrEmpty
		}
		i := which(v)
		if err := l.get(v, i, &x); err != nil {
			return err
		}
		return l.splice(v, i, i+1, nil)
	})
	if err != nil {
		x = *new(T)
	}
	return x, err
}

// Remove removes the first element that is like x, and reports whether there was one. It fails as Load and Append do.
func (l *List[T]) Remove(x T) (removed bool, err error) {
	err = l.change(context.Background(), "remove from", func(v *version) error {
		i, err := l.indexOf(v, &x)
		if err != nil || i < 0 {
			return err
		}
		removed = true
		return l.splice(v, uint64(i), uint64(i)+1, nil)
	})
	return removed && err == nil, err
}

// Clear removes all elements, and gives their memory back. It fails as Store does.
func (l *List[T]) Clear() error {
	return l.change(context.Background(), "clear", func(v *version) error {
		if v.slots == none {
			return nil
		}
		return l.adopt(v, none, 0)
	})
}

// Reverse turns the order around. It fails as Load and Append do.
func (l *List[T]) Reverse() error {
	return l.edit(context.Background(), "reverse", func(xs []T) ([]T, error) { slices.Reverse(xs); return xs, nil })
}

// Sort sorts the elements as slices.SortStableFunc does, all at once. It fails as Load and Append do.
func (l *List[T]) Sort(compare func(a, b T) int) error {
	return l.edit(context.Background(), "sort", func(xs []T) ([]T, error) {
		slices.SortStableFunc(xs, compare)
		return xs, nil
	})
}

// Edit calls f with a copy of all elements, and makes what f returns the list, unless f returns an error or panics.
// Nobody else changes the list meanwhile. It waits for the lock until ctx is over. It returns f's error as it is, and
// else fails with the context's, and as Load and Append do. f must not change the List.
func (l *List[T]) Edit(ctx context.Context, f func([]T) ([]T, error)) error {
	return l.edit(ctx, "edit", f)
}

func (l *List[T]) edit(ctx context.Context, op string, f func([]T) ([]T, error)) error {
	return l.change(ctx, op, func(v *version) error {
		xs, err := l.appendTo(nil, v, 0, v.length)
		if err != nil {
			return err
		}
		if xs, err = f(xs); err != nil {
			return &usersError{err}
		}
		return l.rebuild(v, 0, v.length, xs, 0)
	})
}

// splice puts xs into the place of elements i to j, in place where nothing that counts is written to.
func (l *List[T]) splice(v *version, i, j uint64, xs []T) error {
	more := uint64(len(xs))
	n := v.length - (j - i) + more
	switch room := n <= v.capacity; {
	case more == 0 && i == j:
		return nil
	case more == 0 && (i == 0 || j == v.length):
		if i == 0 {
			v.first = v.slot(j)
		}
		v.length = n
		l.commit(v)
		l.shrink(v)
		return nil
	case room && i == v.length:
		l.put(v.slots, v.slot(i), xs)
	case room && j == 0:
		v.first = (v.first + v.capacity - more) % v.capacity
		l.put(v.slots, v.first, xs)
	default:
		return l.rebuild(v, i, j, xs, 0)
	}
	v.length = n
	l.commit(v)
	return nil
}

// rebuild is splice into other slots, for room elements at least.
func (l *List[T]) rebuild(v *version, i, j uint64, xs []T, room uint64) error {
	more := uint64(len(xs))
	n := v.length - (j - i) + more
	e := none
	if n+room > 0 {
		var err error
		if e, err = l.allocate(max(n, room)); err != nil {
			return err
		}
	}
	l.move(e, 0, v, 0, i)
	l.put(e, i, xs)
	l.move(e, i+more, v, j, v.length)
	return l.adopt(v, e, n)
}

// shrink moves the elements to a smaller block where that has been too large by far. Where it cannot, it does not.
func (l *List[T]) shrink(v *version) {
	if v.block.Size() > 64 && v.length < v.capacity/4 {
		_ = l.rebuild(v, 0, 0, nil, v.length*2)
	}
}
