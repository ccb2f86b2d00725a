package segment

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNoDescriptorIsLeftBehind(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/dev/fd")
		require.NoError(t, err)
		return len(entries)
	}
	cycle := func() {
		s, err := Anonymous(1<<20, Config{})
		require.NoError(t, err)
		other, err := tryAgain(t, s, Config{})
		require.NoError(t, err)
		_, err = s.Double(0, PageAlign)
		require.NoError(t, err)
		_, err = tryAgain(t, s, Config{Observe: true, Participants: 3})
		require.NoError(t, err)
		requireWatched(t, s, other.Self())
		require.NoError(t, other.Close())
		require.NoError(t, s.Close())
	}
	cycle() // the poller has descriptors of its own
	before := count()
	for range 20 {
		cycle()
	}
	runtime.GC()
	require.LessOrEqual(t, count(), before+20, "the observers that were forgotten above, at most")
}

// The lock on the slot's byte is free when the descriptor is closed and every mapping is gone.
func TestASegmentThatWasForgottenIsLeft(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	o := func() Owner {
		forgotten, err := tryAgain(t, s, Config{})
		require.NoError(t, err)
		_, err = forgotten.Double(0, PageAlign)
		require.NoError(t, err)
		l := forgotten.LockAt(Line)
		runtime.GC()
		require.True(t, l.TryLock(), "a handle keeps all")
		require.NoError(t, l.Unlock())
		return forgotten.Self()
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		return s.Gone(o)
	}, time.Minute, time.Millisecond)
}
