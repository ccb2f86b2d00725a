package linear

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheClockIsTheSystemsMonotonicClock(t *testing.T) {
	for range 1000 {
		var before, after unix.Timespec
		require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &before))
		between := now()
		require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &after))
		require.LessOrEqual(t, before.Nano(), between)
		require.LessOrEqual(t, between, after.Nano())
	}
}
