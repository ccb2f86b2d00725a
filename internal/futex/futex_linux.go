package futex

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const supported = true

// Operations of futex(2), of which x/sys has the number alone.
const (
	futexWake       = 1
	futexWaitBitset = 9
	futexWakeBitset = 10
)

// monotonic reads CLOCK_MONOTONIC, in which deadlines are given: an absolute deadline survives an
// interrupted call without drift. It makes no system call but the first time.
func monotonic() time.Duration { return monotonicAtStart() + time.Since(started) }

// monotonicAtStart is what that clock showed at started, and a little more. The clock of package time is
// the same one, less a constant that it does not tell.
var monotonicAtStart = sync.OnceValue(func() time.Duration {
	since := time.Since(started)
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano()) - since
})

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
	return max(futexWakeCall(word, futexWake, n, 0), 0)
}

// own is the bit of this process's sleepers, which wakeOwn wakes; those of other processes may have the
// same one, and look again.
var own = uint32(1) << (unix.Getpid() % 32)

// wakeOwn wakes this process's sleepers on word.
func wakeOwn(word *atomic.Uint32) {
	futexWakeCall(word, futexWakeBitset, All, own)
}
