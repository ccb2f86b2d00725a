package futex

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/word"
)

// switches is how often the threads of this process have given up their CPUs.
func switches(t *testing.T) (n int) {
	threads, err := filepath.Glob("/proc/self/task/*/status")
	require.NoError(t, err)
	for _, thread := range threads {
		f, err := os.Open(thread)
		if err != nil {
			continue // it has ended
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if count, ok := strings.CutPrefix(lines.Text(), "voluntary_ctxt_switches:"); ok {
				k, err := strconv.Atoi(strings.TrimSpace(count))
				require.NoError(t, err)
				n += k
			}
		}
		require.NoError(t, f.Close())
	}
	return n
}

// One who sleeps again and again gives up his CPU once each time. If he were never scheduled, Go's monitor would do so, too, a
// few times for each.
func TestShortSleepsLeaveTheMonitorAlone(t *testing.T) {
	var s Sleeper
	var w word.Uint32
	w.Store(1)
	const sleeps = 5_000
	sleep := func() {
		for range sleeps {
			require.Equal(t, TimedOut, s.Sleep(&w, 1, 50*time.Microsecond))
		}
	}
	sleep() // what else there was to do is done
	before := switches(t)
	sleep()
	more := switches(t) - before - sleeps
	t.Logf("%d switches beside those of %d sleeps", more, sleeps)
	require.Less(t, more, sleeps/2)
}
