package state

import (
	"context"
	"slices"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Store makes x element i. It fails with ErrRange, shm.ErrClosed and shm.ErrReadOnly.
func (l *List[T]) Store(i int, x T) error {
	return l.change(context.Background(), "store to", func(v *version) error {
		if err := within(v, i, 1); err != nil {
			return err
		}
		return l.set(v, uint64(i), x)
	})
}

// set makes x element i, which there is: in the spare, which commits it, and then where it belongs.
func (l *List[T]) set(v *version, i uint64, x T) error {
	if l.boxed {
		boxes, err := l.pack([]T{x})
		if err == nil {
			err = abandon(boxes, l.setBox(v, v.slot(i), boxes[0]))
		}
		return err
	}
	l.write(bytesAt(l.spare, 0, l.stride), x)
	v.pending = v.slot(i) + 1
	l.commit(v)
	l.redo(v)
	return nil
}

// pack makes a box for each of xs, if elements lie in boxes. They are this process's.
func (l *List[T]) pack(xs []T) (boxes []segment.Block, err error) {
	if !l.boxed {
		return nil, nil
	}
	var element []byte
	for _, x := range xs {
		var b segment.Block
		if element, err = l.codec.Append(element[:0], x); err == nil {
			b, err = l.box(element)
		}
		if err != nil {
			return nil, abandon(boxes, err)
		}
		boxes = append(boxes, b)
	}
	return boxes, nil
}

// abandon frees boxes of a change that failed, if err says that it did, which it returns.
func abandon(boxes []segment.Block, err error) error {
	if err != nil {
		for _, b := range boxes {
			_ = b.Free()
		}
	}
	return err
}

// write makes x what lies in a slot that nobody looks at.
func (l *List[T]) write(slot []byte, x T) {
	if !l.bare {
		l.codec.Clean(&x)
	}
	clear(slot[copy(slot, bytesOf(&x)):])
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
		x, err := l.get(v, uint64(i))
		if err != nil {
			return err
		}
		if err := f(&x); err != nil {
			return &usersError{err}
		}
		return l.set(v, uint64(i), x)
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
	err = l.change(context.Background(), "pop from", func(v *version) (err error) {
		if v.length == 0 {
			return ErrEmpty
		}
		i := which(v)
		if x, err = l.get(v, i); err != nil {
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
	if x, err = l.arrived(x); err != nil {
		return false, l.wrap("remove from", err)
	}
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
		return l.adopt(v, none, 0, 0, v.length, nil)
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
// else fails with the context's, and as Load and Append do. f must not change the List (by Append, say):
// that would wait for this very Edit, without end.
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
		boxes, err := l.pack(xs)
		if err != nil {
			return err
		}
		return abandon(boxes, l.rebuild(v, 0, v.length, xs, boxes, 0))
	})
}

// splice puts xs into the place of elements i to j.
func (l *List[T]) splice(v *version, i, j uint64, xs []T) error {
	if len(xs) == 0 && i == j {
		return nil
	}
	if len(xs) == 0 && (i == 0 || j == v.length) {
		l.cut(v, i, j)
		return nil
	}
	boxes, err := l.pack(xs)
	if err != nil {
		return err
	}
	return abandon(boxes, l.add(v, i, j, xs, boxes))
}

// cut removes elements i to j, which are at an end.
func (l *List[T]) cut(v *version, i, j uint64) {
	was := *v
	if i == 0 {
		v.first = v.slot(j)
	}
	v.length -= j - i
	l.commit(v)
	if l.boxed {
		l.drop(&was, i, j)
	}
	// Where there is no smaller block to be had, it stays.
	if v.block.Size() > 64 && v.length < v.capacity/4 {
		_ = l.rebuild(v, 0, 0, nil, nil, v.length*2)
	}
}

// add is splice with something to add: in place where nothing that counts is written to.
func (l *List[T]) add(v *version, i, j uint64, xs []T, boxes []segment.Block) (err error) {
	more := uint64(len(xs))
	n := v.length - (j - i) + more
	next := *v
	next.length = n
	switch {
	case i == v.length && n <= v.capacity:
		err = l.put(v.slots, v.slot(i), xs, boxes)
	case j == 0 && n <= v.capacity:
		next.first = v.first + v.capacity - more
		if next.first >= v.capacity {
			next.first -= v.capacity
		}
		err = l.put(v.slots, next.first, xs, boxes)
	default:
		return l.rebuild(v, i, j, xs, boxes, 0)
	}
	if err == nil {
		*v = next
		l.commit(v)
	}
	return err
}

// put writes xs, or their boxes, to slots of e from k on, around the end.
func (l *List[T]) put(e *slots, k uint64, xs []T, boxes []segment.Block) error {
	if l.boxed {
		return l.putBoxes(e, k, boxes)
	}
	for _, x := range xs {
		if k == e.capacity {
			k = 0
		}
		l.write(l.at(e, k, 1), x)
		k++
	}
	return nil
}

// rebuild is splice into other slots, for room elements at least.
func (l *List[T]) rebuild(v *version, i, j uint64, xs []T, boxes []segment.Block, room uint64) error {
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
	if !l.boxed {
		_ = l.put(e, i, xs, nil)
	}
	l.move(e, i+more, v, j, v.length)
	return l.adopt(v, e, n, i, j, boxes)
}
