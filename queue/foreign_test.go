package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// What other kinds of objects have for options is refused, and not left out.
func TestOptionsOfQueuesAreRefusedByOthers(t *testing.T) {
	seg := roomy(t)
	heir, err := queue.New[string](seg, 1)
	require.NoError(t, err)
	for name, opt := range map[string]shm.ObjectOption{
		"Leases": queue.Leases(), "MaxBytes": queue.MaxBytes(100), "DeadTo": queue.DeadTo(heir, 2), "Through": queue.Through[int64]("own", nil64{}),
	} {
		for kind, create := range map[string]func() error{
			"SPSC":      func() error { _, err := ring.NewSPSC[uint64](seg, 8, opt); return err },
			"Bytes":     func() error { _, err := ring.NewBytes(seg, 8, opt); return err },
			"MPMC":      func() error { _, err := ring.NewMPMC[uint64](seg, 8, opt); return err },
			"Broadcast": func() error { _, err := ring.NewBroadcast[uint64](seg, 8, opt); return err },
		} {
			require.ErrorIs(t, create(), ring.ErrOption, "%s with %s", kind, name)
		}
		_, err := sync.NewMutex(seg, opt)
		require.ErrorIs(t, err, sync.ErrOption, name)
		_, err = state.NewValue[int64](seg, 1, opt)
		require.ErrorIs(t, err, state.ErrOption, name)
	}
}
