package state

import (
	"runtime"

	"github.com/kindred-ipc/kindred/internal/race"
)

// Number is what can be added to.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Add adds delta to the value, at once, and returns the sum, which wraps around as that of a T does. It waits
// for nobody, and fails as Store does.
func Add[T Number](v *Value[T], delta T) (sum T, err error) {
	if v.count {
		sum = T(v.counter.Add(uint64(delta)))
	} else {
		sum, err = addSlow(v, delta)
	}
	runtime.KeepAlive(v) // the mapping goes with the last handle
	return sum, err
}

func addSlow[T Number](v *Value[T], delta T) (sum T, err error) {
	if err := v.seg.Writable(); err != nil {
		return 0, v.wrap("add to", err)
	}
	if race.Enabled {
		v.race.Release(0)
	}
	for {
		w := v.state.word.Load()
		sum := fromWord[T](w) + delta
		if v.state.word.CompareAndSwap(w, toWord(sum)) {
			if race.Enabled {
				v.race.Acquire(0)
			}
			if err := v.seg.Writable(); err != nil { // Close may have put its zeros under the word
				return 0, v.wrap("add to", err)
			}
			return sum, nil
		}
		if v.seg.IsClosed() {
			return 0, v.wrap("add to", ErrClosed)
		}
	}
}

// AddAt adds delta to element i of a, at once, and returns the sum, which wraps around as that of a T does.
// It waits for nobody, and fails as (*Array).Store does.
func AddAt[T Number](a *Array[T], i int, delta T) (sum T, err error) {
	if err := a.usable(i, 1); err != nil {
		return 0, a.wrap("add to", err)
	}
	if race.Enabled {
		a.race.Release(uint64(i))
	}
	for {
		w := a.loadWord(i)
		sum = fromWord[T](w) + delta
		if a.swapWord(i, w, toWord(sum)) {
			break
		}
		if a.seg.IsClosed() {
			return 0, a.wrap("add to", ErrClosed)
		}
	}
	if race.Enabled {
		a.race.Acquire(uint64(i))
	}
	if err := a.seg.Writable(); err != nil {
		return 0, a.wrap("add to", err)
	}
	return sum, nil
}
