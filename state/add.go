package state

import (
	"math"
	"reflect"

	"github.com/kindred-ipc/kindred/internal/race"
)

// Number is what can be added to.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Add adds delta to the value, at once, and returns the sum, which wraps around as that of a T does. It waits
// for nobody, and fails as Store does.
func Add[T Number](v *Value[T], delta T) (sum T, err error) {
	sum = T(v.counter.Add(uint64(delta)))
	if !v.count { // it went to a word that nobody looks at, or to Close's zeros
		sum, err = v.add(delta)
	}
	return
}

// addSlow is Add for whatever T: the compiler inlines a small Add, and none that calls a function of a Number.
func (v *Value[T]) addSlow(delta T) (T, error) {
	var none T
	if err := v.seg.Writable(); err != nil {
		return none, v.wrap("add to", err)
	}
	if race.Enabled {
		v.race.Release(0)
	}
	for {
		w := v.state.word.Load()
		sum := sumWords[T](w, wordOf(&delta))
		if v.state.word.CompareAndSwap(w, sum) {
			if race.Enabled {
				v.race.Acquire(0)
			}
			if err := v.seg.Writable(); err != nil { // Close may have put its zeros under the word
				return none, v.wrap("add to", err)
			}
			return fromWord[T](sum), nil
		}
		if v.seg.IsClosed() {
			return none, v.wrap("add to", ErrClosed)
		}
	}
}

// sumWords is the sum of two words that are a T each, which is a number.
func sumWords[T any](a, b uint64) uint64 {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Float64:
		return math.Float64bits(math.Float64frombits(a) + math.Float64frombits(b))
	case reflect.Float32:
		return uint64(math.Float32bits(math.Float32frombits(uint32(a)) + math.Float32frombits(uint32(b))))
	}
	unused := 64 - 8*sizeOf[T]()
	return (a + b) << unused >> unused
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
