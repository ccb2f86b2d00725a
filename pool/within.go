package pool

import (
	"reflect"
	"runtime"
)

// within reports whether f, a function or a method of this package that is not inlined, is what called
// the function that asks, directly or not, on this goroutine.
func within(f any) bool {
	entry := reflect.ValueOf(f).Pointer()
	pcs := make([]uintptr, 64)
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		frames := runtime.CallersFrames(pcs[:n])
		for more := n > 0; more; {
			var frame runtime.Frame
			if frame, more = frames.Next(); frame.Entry == entry {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
