package queue_test

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(list)
}

func TestFilesThatTravelLeakNothing(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := dossiers(t, seg)
	f := fileOf(t, "")
	round := func() {
		for _, do := range []string{"put", "get", "arguments"} {
			if do == "get" {
				require.NoError(t, q.Put(ctx, dossier{File: shm.NewFile(f)}))
			}
			c := filer{Do: do, In: q, Out: q}
			if do == "arguments" {
				c.File = shm.NewFile(f)
			}
			p, err := filers.Start(ctx, c, proc.Share(seg))
			require.NoError(t, err)
			require.NoError(t, p.Wait(ctx))
			if do == "put" {
				d := must(q.Get(ctx))
				_, err := io.ReadAll(d.File)
				require.NoError(t, err)
				require.NoError(t, d.File.Close())
			}
		}
		require.NoError(t, q.Put(ctx, dossier{File: shm.NewFile(f)}))
		require.NoError(t, must(q.Get(ctx)).File.Close())
		nothingKept(t)
	}
	round() // what the runtime makes once and keeps
	before := descriptors(t)
	goroutines := goleak.IgnoreCurrent()
	round()
	// Connections end a moment after their process.
	require.Eventually(t, func() bool { return descriptors(t) <= before }, 20*time.Second, time.Millisecond)
	goleak.VerifyNone(t, goroutines)
}
