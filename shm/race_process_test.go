package shm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

var bounded = proctest.Bounded

// meeting is where processes open or create segments all at the same time.
type meeting struct {
	Gate   shm.Ref // the process's own semaphore: one permit for each round
	Ready  shm.Ref // a process releases one permit before each round
	Dir    string
	Rounds int
	Create bool // Create, and not OpenOrCreate
}

// meet opens or creates segment after segment, and prints what it got: identities, or 0.
var meet = proc.Func("meet", func(ctx context.Context, m meeting) error {
	seg := proc.Segments(ctx)[0]
	gate, err := sync.SemaphoreFrom(seg, m.Gate)
	if err != nil {
		return err
	}
	ready, err := sync.SemaphoreFrom(seg, m.Ready)
	if err != nil {
		return err
	}
	var ids []uint64
	for i := range m.Rounds {
		if err := ready.Release(1); err != nil {
			return err
		}
		if err := gate.Acquire(ctx, 1); err != nil {
			return err
		}
		name := fmt.Sprint("round-", i)
		open := func() (*shm.Segment, error) { return shm.OpenOrCreate(name, 1<<16, shm.Dir(m.Dir)) }
		if m.Create {
			open = func() (*shm.Segment, error) { return shm.Create(name, 1<<16, shm.Dir(m.Dir)) }
		}
		s, err := open()
		switch {
		case m.Create && errors.Is(err, shm.ErrExist):
			ids = append(ids, 0)
		case err != nil:
			return err
		default:
			ids = append(ids, s.ID())
			if err := s.Check(); err != nil {
				return err
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(ids)
})

// gather has n processes meet, and returns what each of them got.
func gather(t *testing.T, n int, m meeting) [][]uint64 {
	ctx := bounded(t)
	seg, err := shm.Anonymous(1 << 16)
	seg = closed(t, seg, err)
	ready, err := sync.NewSemaphore(seg, 0)
	require.NoError(t, err)
	m.Ready, m.Dir, m.Rounds = ready.Ref(), t.TempDir(), 20
	var out []*strings.Builder
	var children []*proc.Process
	var gates []*sync.Semaphore
	for range n {
		gate, err := sync.NewSemaphore(seg, 0)
		require.NoError(t, err)
		gates = append(gates, gate)
		m.Gate = gate.Ref()
		out = append(out, new(strings.Builder))
		p, err := meet.Start(ctx, m, proc.Share(seg), proc.Stdout(out[len(out)-1]))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		children = append(children, p)
	}
	for range m.Rounds {
		require.NoError(t, ready.Acquire(ctx, int64(n)))
		for _, g := range gates {
			require.NoError(t, g.Release(1))
		}
	}
	all := make([][]uint64, n)
	for i, p := range children {
		require.NoError(t, p.Wait(ctx))
		require.NoError(t, json.Unmarshal([]byte(out[i].String()), &all[i]))
		require.Len(t, all[i], m.Rounds)
	}
	entries, err := os.ReadDir(m.Dir)
	require.NoError(t, err)
	require.Len(t, entries, m.Rounds, "nothing but the segments is left")
	return all
}

func TestProcessesThatOpenOrCreateAtTheSameTimeGetTheSameSegment(t *testing.T) {
	all := gather(t, 6, meeting{})
	for _, ids := range all {
		require.Equal(t, all[0], ids)
	}
	seen := make(map[uint64]bool)
	for _, id := range all[0] {
		require.NotZero(t, id)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestOfProcessesThatCreateAtTheSameTimeOneSucceeds(t *testing.T) {
	all := gather(t, 4, meeting{Create: true})
	for round := range all[0] {
		made := 0
		for _, ids := range all {
			if ids[round] != 0 {
				made++
			}
		}
		require.Equal(t, 1, made, "round %d", round)
	}
}

// createAll makes segments without end.
var createAll = proc.Func("create all", func(_ context.Context, dir string) error {
	for i := 0; ; i++ {
		s, err := shm.Create(fmt.Sprint(i), 1<<16, shm.Dir(dir), shm.Participants(8))
		if err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
})

func TestACreatorThatIsKilledLeavesWholeSegmentsAndNothingElse(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		p, err := createAll.Start(bounded(t), dir)
		require.NoError(t, err)
		for deadline := time.Now().Add(time.Minute); ; {
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			if len(entries) > 20 {
				break
			}
			require.True(t, time.Now().Before(deadline))
		}
		require.NoError(t, p.Close())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), "kindred.")
			require.True(t, ok, e.Name())
			s, err := shm.Open(name, shm.Dir(dir))
			require.NoError(t, err)
			require.NoError(t, s.Check())
			require.NoError(t, s.Close())
		}
	}
}
