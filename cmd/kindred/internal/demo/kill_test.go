package demo

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

func paths(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%05d.go", i)
	}
	return all
}

func planned(want, files int) *killer {
	return (&killer{want: want, files: paths(files), crew: &fakeCrew{}}).plan()
}

func TestKillsAreSpreadEvenly(t *testing.T) {
	for _, c := range []struct {
		kills, files  int
		points, baits []int
	}{
		{1, 7712, []int{3856}, []int{7711}},
		{3, 100, []int{25, 50, 75}, []int{49, 74, 99}},
		{1, 1, []int{0}, []int{0}},
		{2, 2, []int{0, 1}, []int{0, 1}},
		{3, 3, []int{0, 1, 2}, []int{0, 1, 2}},
	} {
		k := planned(c.kills, c.files)
		for n := 1; n <= c.kills; n++ {
			require.Equal(t, c.points[n-1], k.point(n), "%+v", c)
			require.Equal(t, c.baits[n-1], k.bait(n), "%+v", c)
		}
	}
}

func TestEveryKillHasABaitOfItsOwn(t *testing.T) {
	for files := 1; files <= 40; files++ {
		for kills := 1; kills <= files; kills++ {
			k := planned(kills, files)
			require.Len(t, k.baits, kills, "%d kills, %d files", kills, files)
			require.NotContains(t, k.baits, -1)
			require.Equal(t, files-1, k.bait(kills))
		}
	}
}

func TestOnlyTheBaitOfAKillThatIsOwedLingers(t *testing.T) {
	k := planned(2, 30)
	k.done.Store(1)
	for i := range 30 {
		require.Equal(t, i == k.bait(2), k.hand(i) > 0, "file %d", i)
	}
}

func TestKillIsDueHalfWayOrAtItsBait(t *testing.T) {
	k := planned(1, 10)
	require.False(t, k.due(1))
	k.results.Store(5)
	require.True(t, k.due(1))

	k.results.Store(0)
	k.hand(9)
	require.False(t, k.due(1), "the bait is out, and nobody has begun with it")
	k.crew = &fakeCrew{staff: []pool.Worker{busy(0, 10, k.files[3]), busy(1, 11, k.files[9])}}
	require.True(t, k.due(1))
}

// Results count in the order of files: those behind a file that lingers do not, though their workers are done with them.
func TestKillIsDueWhereNothingIsLeftButTheBaitOfAnother(t *testing.T) {
	k := planned(5, 20)
	for i := range 20 {
		k.hand(i)
	}
	k.results.Store(15)
	k.done.Store(4)
	require.False(t, k.due(5))
	k.crew = &fakeCrew{staff: []pool.Worker{busy(0, 10, k.files[k.bait(4)])}}
	require.True(t, k.due(5))
}

// busy is a worker at work.
func busy(id, pid int, path string) pool.Worker {
	return pool.Worker{ID: id, Pid: pid, Running: &pool.Running{Input: job{Path: path}}}
}

// staged are workers of which what they hold changes when one is stopped.
type staged struct {
	fakeCrew
	before, after []pool.Worker
}

func (s *staged) Workers() []pool.Worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stopped) > 0 {
		return s.after
	}
	return s.before
}

// strikeOnce is one attempt of a killer.
func strikeOnce(t *testing.T, s *staged, first int) *killed {
	told := 0
	k := &killer{want: 3, files: paths(9), crew: s, signals: s, tell: func(killed) { told++ }}
	victim, err := k.strike(context.Background(), first)
	require.NoError(t, err)
	require.Empty(t, s.stopped)
	if victim != nil {
		require.Equal(t, 1, told)
	}
	return victim
}

func TestWorkerThatHoldsNothingOnceStoppedGoesOn(t *testing.T) {
	s := &staged{
		before: []pool.Worker{busy(0, 10, "a"), busy(1, 11, "b")},
		after:  []pool.Worker{{ID: 0, Pid: 10}, busy(1, 11, "c")},
	}
	victim := strikeOnce(t, s, 0)
	require.Equal(t, 11, victim.pid)
	require.Equal(t, "c", victim.path, "the task is the one that it holds when it has stopped")
	require.Equal(t, 1, s.resumed)
}

func TestNobodyAtWorkIsNobodyKilled(t *testing.T) {
	for _, after := range [][]pool.Worker{{{ID: 0, Pid: 10}}, {busy(0, 12, "another process by now")}, {}} {
		s := &staged{before: []pool.Worker{busy(0, 10, "a")}, after: after}
		require.Nil(t, strikeOnce(t, s, 0))
		require.Equal(t, 1, s.resumed)
	}
	s := &staged{before: []pool.Worker{{ID: 0, Pid: 10}}}
	require.Nil(t, strikeOnce(t, s, 0))
	require.Zero(t, s.resumed, "an idle worker is not even stopped")
}

func TestEachKillBeginsWithAnotherWorker(t *testing.T) {
	both := []pool.Worker{busy(0, 10, "a"), busy(1, 11, "a")}
	for n, want := range []int{10, 11, 10} {
		require.Equal(t, want, strikeOnce(t, &staged{before: both, after: both}, n).pid)
	}
}

func TestKillerEndsWithTheWork(t *testing.T) {
	k := planned(1, 10)
	k.results.Store(10)
	victims, err := k.start(context.Background())()
	require.NoError(t, err)
	require.Empty(t, victims)
}
