//go:build race

package sync_test

import (
	"context"
	"errors"
	"strings"
	gosync "sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/sync"
)

// mistaken has two goroutines guard a variable by a lock of their own each.
var mistaken = actor("mistaken", func(ctx context.Context, _ stage, p props) error {
	other, err := sync.NewMutex(p.seg)
	if err != nil {
		return err
	}
	count := 0
	errs := make([]error, 2)
	var wg gosync.WaitGroup
	for i, m := range []*sync.Mutex{p.mu, other} {
		wg.Go(func() {
			for range 100 {
				errs[i] = errors.Join(errs[i], m.Lock(ctx))
				count++
				errs[i] = errors.Join(errs[i], m.Unlock())
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
})

// What the detector is told of one lock must not hide what another one does not guard.
func TestTheRaceDetectorStillFindsARace(t *testing.T) {
	s, p := newStage(t)
	var out strings.Builder
	err := start(t, mistaken, s, p, proc.Stderr(&out)).Wait(bounded(t))
	var exit *proc.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 66, exit.Code)
	require.Empty(t, exit.Text)
	require.Contains(t, out.String(), "WARNING: DATA RACE")
	require.Contains(t, out.String(), "detector_process_test.go")
}
