package shm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// An odd size, by which a mapping is found again.
const oddSize = 5<<20 + 3<<16

// mapped is what the kernel says of this process's mapping of a segment, in bytes: "Rss", "Locked", ....
func mapped(t *testing.T, s *shm.Segment) map[string]int64 {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	require.NoError(t, err)
	defer f.Close()
	var found map[string]int64
	sums := map[string]int64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		name, isField := strings.CutSuffix(fields[0], ":")
		if !isField {
			found = nil
			if strings.Contains(lines.Text(), "kindred") {
				found = map[string]int64{}
			}
			continue
		}
		if found == nil || len(fields) != 3 {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		require.NoError(t, err)
		found[name] = n << 10
		if found["Size"] == s.Size() {
			sums[name] = n << 10
		}
	}
	require.Equal(t, s.Size(), sums["Size"], "the mapping is not there")
	return sums
}

func TestPrefaultHasEveryPageThereBeforeTheFirstUse(t *testing.T) {
	s, err := shm.Anonymous(oddSize)
	require.NoError(t, err)
	require.Less(t, mapped(t, s)["Rss"], s.Size()/2)
	require.NoError(t, s.Close())

	s, err = shm.Anonymous(oddSize+1<<16, shm.Prefault())
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, s.Size(), mapped(t, s)["Rss"])
}

func TestPrefaultTakesNoMoreThanMaxBytes(t *testing.T) {
	s, err := shm.Anonymous(oddSize+2<<16, shm.Prefault(), shm.MaxBytes(1<<20))
	require.NoError(t, err)
	defer s.Close()
	rss := mapped(t, s)["Rss"]
	require.GreaterOrEqual(t, rss, int64(1<<20))
	require.Less(t, rss, s.Size()/2)
}

// locked locks a segment in memory, or says that it was refused, with a limit of what may be locked.
var locked = proc.Func("locked", func(_ context.Context, limit uint64) error {
	runtime.LockOSThread()
	// Who has the capability is not bound by the limit.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	_, err := shm.Anonymous(oddSize, shm.Locked())
	if !errors.Is(err, shm.ErrRefused) || !strings.Contains(err.Error(), fmt.Sprint("(RLIMIT_MEMLOCK) is ", limit)) {
		return fmt.Errorf("with a limit of %d: %w", limit, err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if n := strings.Count(string(maps), "memfd:"); n > 0 && err == nil {
		err = fmt.Errorf("%d mappings are left of a segment that was refused", n)
	}
	return err
})

func TestLockedKeepsWhatWasTouchedAndSaysWhatIsInTheWay(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit))
	s, err := shm.Anonymous(oddSize+3<<16, shm.Locked(), shm.Prefault())
	if limit.Cur > oddSize*2 {
		require.NoError(t, err)
	}
	if err == nil {
		require.Equal(t, s.Size(), mapped(t, s)["Locked"])
		require.NoError(t, s.Close())
	} else {
		require.ErrorIs(t, err, shm.ErrRefused)
	}
	for _, limit := range []uint64{0, 1 << 16} {
		p, err := locked.Start(bounded(t), limit)
		require.NoError(t, err)
		require.NoError(t, p.Wait(bounded(t)))
		require.NoError(t, p.Close())
	}
}

// The kernel may have no huge pages to give, and then says so.
func TestHugePagesAreThereOrAreRefused(t *testing.T) {
	s, err := shm.Anonymous(oddSize, shm.HugePages())
	if err != nil {
		require.ErrorIs(t, err, shm.ErrRefused)
		require.ErrorContains(t, err, "huge pages")
		t.Log(err)
		return
	}
	defer s.Close()
	require.Zero(t, s.Size()%(2<<20))
	require.Equal(t, s.Size(), mapped(t, s)["ShmemPmdMapped"])
	require.NoError(t, s.Check())

	other := again(t, s)
	require.Equal(t, s.ID(), other.ID())
	require.Zero(t, other.Size()%(2<<20))
	small, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	defer small.Close()
	f, err := small.File()
	require.NoError(t, err)
	defer f.Close()
	_, err = shm.FromFile(f, shm.HugePages())
	require.ErrorIs(t, err, shm.ErrRefused, "smaller than a huge page")
}

func again(t *testing.T, s *shm.Segment) *shm.Segment {
	t.Helper()
	f, err := s.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := shm.FromFile(f, shm.Prefault())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	return other
}
