package futex_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/internal/word"
)

// One who sleeps again and again gives up his CPU once each time. If he were never scheduled, Go's monitor would do so, too, a
// few times for each.
func TestShortSleepsLeaveTheMonitorAlone(t *testing.T) {
	if n := runtime.GOMAXPROCS(0); n == 1 { // from a process that has one, the monitor always takes it
		runtime.GOMAXPROCS(2)
		defer runtime.GOMAXPROCS(n)
	}
	var s futex.Sleeper
	var w word.Uint32
	w.Store(1)
	const sleeps = 5_000
	sleep := func() {
		for range sleeps {
			require.Contains(t, []futex.Outcome{futex.TimedOut, futex.Woken}, s.Sleep(&w, 1, 50*time.Microsecond)) // Woken: a signal of the scheduler's may end it
		}
	}
	sleep() // what else there was to do is done
	before := proctest.Sleeps(t, os.Getpid())
	sleep()
	more := proctest.Sleeps(t, os.Getpid()) - before - sleeps
	t.Logf("%d switches beside those of %d sleeps", more, sleeps)
	require.Less(t, more, sleeps/2)
}
