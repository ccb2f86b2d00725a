//go:build interleave && (linux || darwin)

package interleave

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/kindred-ipc/kindred/internal/word"
)

// The trace of a run is written when it is repeated after a failure.

func (r *run) say(t *thread, format string, args ...any) {
	if r.trace == nil || t == nil {
		return
	}
	name := t.p.name
	if t.p.threads[0] != t {
		name += "'" // a watcher
	}
	fmt.Fprintf(r.trace, "%-10s "+format+"\n", append([]any{name}, args...)...)
}

func (r *run) sayOf(p *Process, format string, args ...any) {
	if r.trace != nil {
		fmt.Fprintf(r.trace, "%-10s "+format+"\n", append([]any{p.name}, args...)...)
	}
}

func (r *run) sayAccess(t *thread, off uint64, op word.Operation, a, b, old uint64, ok bool) {
	var what string
	switch op {
	case word.Load:
		what = fmt.Sprintf("loads %#x", old)
	case word.Store:
		what = fmt.Sprintf("stores %#x", a)
	case word.Publish:
		what = fmt.Sprintf("publishes %#x", a)
	case word.Add:
		what = fmt.Sprintf("adds %#x to %#x", a, old)
	case word.And:
		what = fmt.Sprintf("ands %#x to %#x", a, old)
	case word.Or:
		what = fmt.Sprintf("ors %#x to %#x", a, old)
	case word.Swap:
		what = fmt.Sprintf("swaps %#x for %#x", old, a)
	case word.CompareAndSwap:
		what = fmt.Sprintf("swaps %#x for %#x", a, b)
		if !ok {
			what += fmt.Sprintf(", in vain: %#x", old)
		}
	}
	r.say(t, "%s at %s, %s", what, r.place(off), caller())
}

// place says where in the segment a word is.
func (r *run) place(off uint64) string { return fmt.Sprintf("%#x", off) }

// caller is the production code that made the access: the innermost two functions that are not of
// package word, nor of this one.
func caller() string {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var found []string
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "internal/word.") && !strings.Contains(f.Function, "internal/interleave.(") {
			name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
			found = append(found, fmt.Sprintf("%s:%d", name, f.Line))
		}
		if !more || len(found) == 3 {
			return strings.Join(found, " < ")
		}
	}
}
