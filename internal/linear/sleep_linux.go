package linear

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleep lasts for d or less, and hardly longer: time.Sleep, in a program that does nothing else, lasts
// for a millisecond at least, and the kernel adds up to 50 µs unless the thread asks it not to.
func sleep(d time.Duration) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	t := unix.NsecToTimeval(d.Nanoseconds())
	_, _ = unix.Select(0, nil, nil, nil, &t)
}
