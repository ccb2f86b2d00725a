package futex

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const supported = true

// Operations and flags of futex(2) and futex_waitv(2); x/sys has the call numbers alone.
const (
	futexWaitBitset = 9
	futexWake       = 1
	futexPrivate    = 128
	futexMatchAny   = 0xffffffff

	futex2SizeU32 = 0x02
	futex2Private = 0x80
)

// kernelTimespec is the kernel's 64-bit timespec, which futex_waitv takes on every architecture.
type kernelTimespec struct {
	sec  int64
	nsec int64
}

// monotonic reads CLOCK_MONOTONIC, in which deadlines are given: an absolute deadline survives an
// interrupted call without drift.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func wait(word *atomic.Uint32, val uint32, d time.Duration) Outcome {
	var deadline *unix.Timespec
	if d >= 0 {
		ts := unix.NsecToTimespec(int64(monotonic() + d))
		deadline = &ts
	}
	switch futexWaitCall(word, futexWaitBitset, val, deadline) {
	case unix.EAGAIN:
		return Changed
	case unix.ETIMEDOUT:
		return TimedOut
	default:
		return Woken
	}
}

func wake(word *atomic.Uint32, n int) int {
	return futexWakeCall(word, futexWake, n)
}

// vectored reports whether the kernel has futex_waitv: with no entries it answers EINVAL.
var vectored = sync.OnceValue(func() bool {
	return waitvCall(nil, 0, nil) == unix.EINVAL
})

// waitv is one entry of futex_waitv.
type waitv struct {
	val      uint64
	addr     uint64
	flags    uint32
	reserved uint32
}

// waitPair sleeps while the shared word and the private one hold their values.
func waitPair(shared *atomic.Uint32, val uint32, private *atomic.Uint32, d time.Duration) Outcome {
	pair := newWaitPair(shared, val, private)
	var deadline *kernelTimespec
	if d >= 0 {
		at := monotonic() + d
		deadline = &kernelTimespec{sec: int64(at / time.Second), nsec: int64(at % time.Second)}
	}
	switch waitvCall(&pair[0], len(pair), deadline) {
	case unix.EAGAIN:
		return Changed
	case unix.ETIMEDOUT:
		return TimedOut
	default:
		return Woken
	}
}

func wakePrivate(word *atomic.Uint32) {
	futexWakeCall(word, futexWake|futexPrivate, 1)
}
