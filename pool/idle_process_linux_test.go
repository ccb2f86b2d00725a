package pool_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/pool"
)

// consumed is the CPU time of the processes, by the clocks that the kernel keeps for them.
func consumed(t testing.TB, pids ...int) (sum time.Duration) {
	for _, pid := range pids {
		var at unix.Timespec
		require.NoError(t, unix.ClockGettime(int32(^pid<<3|2), &at))
		sum += time.Duration(at.Nano())
	}
	return sum
}

// Whoever polls for the next call gives up soon. That it takes less than a second is for a benchmark to say.
func TestPoolThatHasNothingToDoTakesNoTime(t *testing.T) {
	p := newPool(t, 2, pool.Elastic(2, time.Hour))
	for n := range 1000 {
		_, err := double.Call(testContext(t), p, n)
		require.NoError(t, err)
	}
	all := append(pids(p), os.Getpid())
	eventually(t, func() bool {
		before := consumed(t, all...)
		time.Sleep(100 * time.Millisecond)
		return consumed(t, all...)-before < time.Millisecond
	})
}
