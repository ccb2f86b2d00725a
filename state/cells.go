package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// cells is what a Value and an Array have in common: Ts that lie there as they are, and one lock for those who
// change more than a word of them.
type cells[T any] struct {
	place
	codec *codec.Codec[T]
	lock  segment.Lock
	draft *T // the copy that an Update hands out: whoever holds the lock has it
}

func cellsOf[T any](o segment.Object, c *codec.Codec[T], lock uint64) cells[T] {
	return cells[T]{place: placeOf(o), codec: c, lock: o.Segment().PlainLockAt(o.Offset() + lock)}
}

// checked is x if it is a T, and was not Close's zeros.
func (c *cells[T]) checked(x T, err error) (T, error) {
	if err == nil {
		err = c.sound(&x)
	} else if closed := c.readable(); closed != nil {
		err = closed
	}
	if err != nil {
		var none T
		return none, err
	}
	return x, nil
}

// sound is nil if *x is a T, and was not Close's zeros.
func (c *cells[T]) sound(x *T) error {
	if err := c.readable(); err != nil {
		return err
	}
	if !c.codec.Sound(x) {
		return fmt.Errorf("a bool that is neither 0 nor 1: %w", ErrCorrupt)
	}
	return nil
}

// letGo gives the lock up. After a Close there is no lock any more.
func (c *cells[T]) letGo() error {
	if err := c.lock.Unlock(); err != nil {
		return err
	}
	return c.seg.Writable()
}

// update is Update of the T that draw copies, and that commit makes what the copy is if nobody stored a word meanwhile.
func (c *cells[T]) update(ctx context.Context, f func(*T) error, draw func(*T) (w uint64), commit func(w uint64, x *T) bool) error {
	if err := hold(ctx, &c.lock); err != nil {
		return c.wrap("update", err)
	}
	held := true
	defer func() {
		if held { // f panics
			_ = c.lock.Unlock()
		}
	}()
	mine, err := c.updateHeld(f, draw, commit)
	held = false
	if left := c.letGo(); left != nil && !mine {
		err = errors.Join(err, left)
	}
	if mine {
		return err
	}
	return c.wrap("update", err)
}

// updateHeld is update with the lock. It reports whether the error is f's.
func (c *cells[T]) updateHeld(f func(*T) error, draw func(*T) uint64, commit func(uint64, *T) bool) (mine bool, err error) {
	if c.draft == nil {
		c.draft = new(T)
	}
	for x := c.draft; ; {
		w := draw(x)
		if err := c.sound(x); err != nil {
			return false, err
		}
		if err := f(x); err != nil {
			return true, err
		}
		c.codec.Clean(x)
		if commit(w, x) {
			return false, nil
		}
		if c.seg.IsClosed() {
			return false, ErrClosed
		}
	}
}
