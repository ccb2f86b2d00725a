package inspect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 1 << 63: "8.0 EiB",
	} {
		require.Equal(t, want, size(n))
	}
}

func TestAge(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		-time.Hour: "in the future", 5500 * time.Millisecond: "5s", 90 * time.Second: "1m", 47 * time.Hour: "47h", 49 * time.Hour: "2d",
	} {
		require.Equal(t, want, age(time.Now().Add(-ago)))
	}
}

func TestShownHasNoCommandsForATerminal(t *testing.T) {
	require.Equal(t, `a "name" with �[31m`, shown("a \"name\" with \x1b[31m"))
}
