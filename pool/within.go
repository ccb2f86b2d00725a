package pool

import (
	"iter"
	"reflect"
	"runtime"
	"sync/atomic"
)

// Join has to know whether it is called by what its pool waits for. A goroutine has nothing of its own that says so but its stack, and of that
// one can see which functions it has, and no arguments. So a number is spelled there, by a frame of one of two functions for each bit. That
// costs who calls the function some nanoseconds, and who looks has all the work.

// pools counts the pools of this process.
var pools atomic.Uint64

// role in which a pool calls a function of the user's.
const (
	inEvent = iota
	inCallback
	inTask
	inRoles
)

// mark is a number that says which pool calls, and as what; at least 1.
type mark uint64

func (p *Pool) mark(as int) mark { return mark(p.number*inRoles + uint64(as)) }

// around calls f, of which marks then tells that it is within m.
//
//go:noinline
func (m mark) around(f func()) { m.spell(f) }

// spell calls f below a frame for each bit, the lowest first.
func (m mark) spell(f func()) {
	switch {
	case m == 0:
		f()
	case m&1 == 0:
		(m >> 1).zero(f)
	default:
		(m >> 1).one(f)
	}
}

//go:noinline
func (m mark) zero(f func()) { m.spell(f) }

//go:noinline
func (m mark) one(f func()) { m.spell(f) }

// Where the frames of these functions begin.
var (
	entryAround = reflect.ValueOf(mark.around).Pointer()
	entryZero   = reflect.ValueOf(mark.zero).Pointer()
	entryOne    = reflect.ValueOf(mark.one).Pointer()
)

// marks are those within which it is called, on this goroutine, the innermost first.
func marks() iter.Seq[mark] {
	return func(yield func(mark) bool) {
		m := mark(0)
		for entry := range entries() {
			switch entry {
			case entryZero:
				m <<= 1
			case entryOne:
				m = m<<1 | 1
			case entryAround:
				if !yield(m) {
					return
				}
				m = 0
			}
		}
	}
}

// entries are where the functions begin that this goroutine is in, the innermost first.
func entries() iter.Seq[uintptr] {
	return func(yield func(uintptr) bool) {
		pcs := make([]uintptr, 64)
		for skip := 0; ; skip += len(pcs) {
			n := runtime.Callers(skip, pcs)
			frames := runtime.CallersFrames(pcs[:n])
			for more := n > 0; more; {
				var frame runtime.Frame
				frame, more = frames.Next()
				if inlined := frame.Func == nil; !inlined && !yield(frame.Entry) {
					return
				}
			}
			if n < len(pcs) {
				return
			}
		}
	}
}
