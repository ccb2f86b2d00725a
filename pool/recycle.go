package pool

import (
	"errors"
	"math"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/proc"
)

// TasksPerWorker has each worker replaced when it has run n tasks, at least 1: it ends in order, with its finalizer. Without it a
// worker runs any number.
func TasksPerWorker(n int) Option {
	return func(o *options) {
		if n < 1 {
			o.refuse("%w: TasksPerWorker(%d)", ErrOption, n)
			return
		}
		o.share = n
	}
}

// MemoryLimit has a worker replaced, in order, when it has more than so many bytes of memory after a task: what of its own is
// resident, without shared memory and files. The Go runtime of the worker is asked to keep below that (GOMEMLIMIT), so that it is not
// garbage that counts. A task that is running may take more: see MemoryCap. Each call costs about 2 µs more. On other systems than Linux it is refused (ErrOption).
func MemoryLimit(bytes int64) Option {
	return func(o *options) {
		switch {
		case bytes < 1:
			o.refuse("%w: MemoryLimit(%d)", ErrOption, bytes)
		case runtime.GOOS != "linux":
			o.refuse("%w: MemoryLimit: %w", ErrOption, errors.ErrUnsupported)
		default:
			o.memory = bytes
			o.process = append([]proc.Option{proc.GOMEMLIMIT(bytes)}, o.process...)
		}
	}
}

// MemoryCap bounds the memory that a worker may have mapped for data of its own (RLIMIT_DATA): a task that takes more ends
// its worker, by a fatal error of the Go runtime, and fails with *WorkerDied. The runtime maps memory for its heap 64 MiB at a time, so that less than about
// 200 MiB is of no use. On other systems than Linux it is refused (ErrOption). (RLIMIT_AS is of none at all: the runtime reserves far more addresses than it
// will ever use.)
func MemoryCap(bytes uint64) Option {
	return func(o *options) {
		switch {
		case bytes == 0:
			o.refuse("%w: MemoryCap(0)", ErrOption)
		case runtime.GOOS != "linux":
			o.refuse("%w: MemoryCap: %w", ErrOption, errors.ErrUnsupported)
		default:
			o.process = append(o.process, proc.Rlimit(rlimitData, bytes, bytes))
		}
	}
}

// spent reports whether the worker has done its share.
func (l *link) spent() bool {
	p := l.pool
	return p.share != 0 && l.served >= p.share || l.inside == nil && p.memory != 0 && l.meter.resident() > p.memory
}

// allowance is how many calls the worker may have before it is looked at whether it is spent.
func (l *link) allowance() int {
	switch p := l.pool; {
	case p.memory != 0:
		return 1
	case p.share != 0:
		return p.share - l.served
	default:
		return math.MaxInt
	}
}

// dismiss has a worker that nobody has end in order, within the grace period. It is not among the idle. The pool's mu is
// held.
func (l *link) dismiss() {
	l.retire()
	if l.pool.grace >= 0 {
		l.doom = time.AfterFunc(l.pool.grace, l.kill)
	}
}
