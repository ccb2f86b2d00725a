//go:build unix

package futex

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// door is a way into a kernel that waits with compare-and-wait calls of the ulock family, as macOS
// does. Both functions make one call and return its result, or a negated errno.
//
// What the calls may answer is more than a caller of Wait should see. Here it is brought down to an
// Outcome; the calls themselves are a parameter, so that this part is tested on any system.
//
//	answer       of wait                             of wake
//	>= 0         woken, or the word differs          somebody was woken
//	ETIMEDOUT    look at the clock, which decides
//	EINTR        a signal came: look, wait again     again
//	EFAULT       the page is not resident, and the   again, a few times
//	             kernel cannot fault it in: look
//	             (which does), wait again
//	ENOENT                                           nobody sleeps
//	EDOM         somebody sleeps on the word with    nobody that this call can wake
//	             a call of another kind
//	others       no wait is possible                 the same
type door struct {
	// wait sleeps while *word holds val, for at most ns nanoseconds; 0: without end.
	wait func(word *atomic.Uint32, val uint32, ns uint64) int32
	// wake wakes one sleeper, or all.
	wake func(word *atomic.Uint32, all bool) int32
}

const (
	// faultTries is how often in a row a page may be gone again by the time the kernel looks.
	faultTries = 16
	// nap replaces a wait that the kernel refuses: the caller looks again and again, but not as fast
	// as it can.
	nap = time.Millisecond
)

func (k door) sleep(word *atomic.Uint32, val uint32, d time.Duration) Outcome {
	start := time.Now()
	for faults := 0; ; {
		if word.Load() != val { // also faults the page in
			return Changed
		}
		var left time.Duration // 0: without end
		if d >= 0 {
			if left = d - time.Since(start); left <= 0 {
				return TimedOut
			}
		}
		r := k.wait(word, val, uint64(left))
		if r >= 0 {
			return Woken
		}
		switch syscall.Errno(-r) {
		case syscall.ETIMEDOUT, syscall.EINTR:
			continue
		case syscall.EFAULT:
			if faults++; faults < faultTries {
				runtime.Gosched()
				continue
			}
		}
		if d < 0 || left > nap {
			left = nap
		}
		time.Sleep(left)
		return Woken
	}
}

func (k door) rouse(word *atomic.Uint32, n int) int {
	if n == All {
		return k.wakeOnce(word, true)
	}
	woken := 0
	for woken < n && k.wakeOnce(word, false) > 0 {
		woken++
	}
	return woken
}

// wakeOnce reports 1 if there was somebody to wake, 0 if not.
func (k door) wakeOnce(word *atomic.Uint32, all bool) int {
	for range faultTries {
		r := k.wake(word, all)
		if r >= 0 {
			return 1
		}
		if e := syscall.Errno(-r); e != syscall.EINTR && e != syscall.EFAULT {
			return 0
		}
		word.Load()
	}
	return 0
}
