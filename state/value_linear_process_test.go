package state_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

const (
	load linear.Kind = iota + 1
	store
	swap
	compareAndSwap
	update
)

// register is a number, as whatever lies in the segment: a Value or an element of an Array, a word or what
// is larger.
type register struct {
	load    func() (uint64, error)
	store   func(uint64) error
	swap    func(uint64) (uint64, error)
	compare func(old, x uint64) (bool, error)
	add     func(ctx context.Context, delta uint64) (uint64, error)
}

// cell says where it lies.
type cell struct {
	Ref          shm.Ref
	Large, Array bool
}

func newCell(seg *shm.Segment, large, array bool) (c cell, err error) {
	c = cell{Large: large, Array: array}
	switch {
	case array && large:
		var a *state.Array[triple]
		if a, err = state.NewArray[triple](seg, 3); err == nil {
			c.Ref = a.Ref()
		}
	case array:
		var a *state.Array[uint16]
		if a, err = state.NewArray[uint16](seg, 3); err == nil {
			c.Ref = a.Ref()
		}
	case large:
		var v *state.Value[triple]
		if v, err = state.NewValue(seg, triple{}); err == nil {
			c.Ref = v.Ref()
		}
	default:
		var v *state.Value[uint16]
		if v, err = state.NewValue(seg, uint16(0)); err == nil {
			c.Ref = v.Ref()
		}
	}
	return c, err
}

func (c cell) open(seg *shm.Segment) (register, error) {
	switch {
	case c.Array && c.Large:
		a, err := state.ArrayFrom[triple](seg, c.Ref)
		if err != nil {
			return register{}, err
		}
		return registerOf(ofTriple, toTriple, elementOf(a)), nil
	case c.Array:
		a, err := state.ArrayFrom[uint16](seg, c.Ref)
		if err != nil {
			return register{}, err
		}
		return registerOf(ofWord, toWord, elementOf(a)), nil
	case c.Large:
		v, err := state.ValueFrom[triple](seg, c.Ref)
		if err != nil {
			return register{}, err
		}
		return registerOf(ofTriple, toTriple, v), nil
	default:
		v, err := state.ValueFrom[uint16](seg, c.Ref)
		if err != nil {
			return register{}, err
		}
		return registerOf(ofWord, toWord, v), nil
	}
}

func toTriple(n uint64) triple { return tripleOf(n, 2*n) }

func ofTriple(x triple) (uint64, error) {
	if x != tripleOf(x.A, 2*x.A) {
		return 0, fmt.Errorf("torn: %v", x)
	}
	return x.A, nil
}

func toWord(n uint64) uint16          { return uint16(n) }
func ofWord(x uint16) (uint64, error) { return uint64(x), nil }

// holds is what a Value and an element have in common.
type holds[T any] interface {
	Load() (T, error)
	Store(T) error
	Swap(T) (T, error)
	CompareAndSwap(old, x T) (bool, error)
	Update(ctx context.Context, f func(*T) error) error
}

// element is one of an Array, as if it were a Value.
type element[T any] struct{ a *state.Array[T] }

func elementOf[T any](a *state.Array[T]) element[T] { return element[T]{a} }

func (e element[T]) Load() (T, error)                      { return e.a.Load(1) }
func (e element[T]) Store(x T) error                       { return e.a.Store(1, x) }
func (e element[T]) Swap(x T) (T, error)                   { return e.a.Swap(1, x) }
func (e element[T]) CompareAndSwap(old, x T) (bool, error) { return e.a.CompareAndSwap(1, old, x) }
func (e element[T]) Update(ctx context.Context, f func(*T) error) error {
	return e.a.Update(ctx, 1, f)
}

func registerOf[T any](of func(T) (uint64, error), to func(uint64) T, h holds[T]) register {
	number := func(x T, err error) (uint64, error) {
		if err != nil {
			return 0, err
		}
		return of(x)
	}
	return register{
		load:    func() (uint64, error) { return number(h.Load()) },
		store:   func(x uint64) error { return h.Store(to(x)) },
		swap:    func(x uint64) (uint64, error) { return number(h.Swap(to(x))) },
		compare: func(old, x uint64) (bool, error) { return h.CompareAndSwap(to(old), to(x)) },
		add: func(ctx context.Context, delta uint64) (sum uint64, err error) {
			err = h.Update(ctx, func(x *T) error {
				if sum, err = of(*x); err != nil {
					return err
				}
				sum += delta
				*x = to(sum)
				return nil
			})
			return sum, err
		},
	}
}

// registerModel has the number for its state. A death changes nothing by itself.
var registerModel = linear.Model[uint64]{
	Kinds: []string{"", "load", "store", "swap", "compare and swap", "update"},
	Step: func(s uint64, op linear.Op) []uint64 {
		cut := op.Fate != linear.Returned
		if !cut && op.Code == linear.TimedOut {
			return []uint64{s}
		}
		told := func(out, next uint64) []uint64 {
			if cut || op.Outs[0] == out {
				return []uint64{next}
			}
			return nil
		}
		switch op.Kind {
		case load:
			return told(s, s)
		case store:
			return []uint64{op.Args[0]}
		case swap:
			return told(s, op.Args[0])
		case compareAndSwap:
			if s != op.Args[0] {
				return told(0, s)
			}
			return told(1, op.Args[1])
		case update:
			return told(s+op.Args[0], s+op.Args[0])
		}
		return nil
	},
}

// user does everything to a register.
var user = linear.Func("state_test.user", func(ctx context.Context, c *linear.Client, seg *shm.Segment, at cell) error {
	r, err := at.open(seg)
	if err != nil {
		return err
	}
	for c.More() {
		x, y := c.Rand.Uint64N(4), c.Rand.Uint64N(4)
		var out uint64
		switch c.Rand.IntN(5) {
		case 0:
			c.Invoke(load)
			out, err = r.load()
		case 1:
			c.Invoke(store, x)
			err = r.store(x)
		case 2:
			c.Invoke(swap, x)
			out, err = r.swap(x)
		case 3:
			c.Invoke(compareAndSwap, x, y)
			var done bool
			if done, err = r.compare(x, y); done {
				out = 1
			}
		case 4:
			c.Invoke(update, x)
			out, err = r.add(ctx, x)
		}
		switch {
		case linear.Over(err): // while it waited for the lock
			c.Return(linear.TimedOut)
		case err != nil:
			return err
		default:
			c.Return(linear.OK, out)
		}
		if c.Rand.IntN(4) == 0 {
			c.Pause()
		}
	}
	return nil
})

func TestValuesAndElementsAreLinearizableWhileTheirUsersAreKilled(t *testing.T) {
	linear.Subject[cell, uint64]{
		Run: user, Processes: 4, Clients: 2, Kills: 3,
		New: func(seg *shm.Segment, r *rand.Rand) (cell, linear.Model[uint64], error) {
			c, err := newCell(seg, r.IntN(2) == 0, r.IntN(2) == 0)
			return c, registerModel, err
		},
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, at cell) error {
			r, err := at.open(seg)
			if err != nil {
				return err
			}
			c.Invoke(load)
			out, err := r.load()
			if err == nil {
				c.Return(linear.OK, out)
			}
			return err
		},
	}.Verify(t)
}
