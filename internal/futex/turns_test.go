package futex

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestShortTurnsFollowEachOther(t *testing.T) {
	var all turns
	for now := time.Duration(0); now < time.Second; now += time.Millisecond {
		require.True(t, all.due(now))
		all.learn(now, now+longTurn)
	}
}

// Whoever computes gets a turn now and then: it may end, and the next turn is its peer's.
func TestOneWhoTakesAllOfTheTimeGetsAThirtieth(t *testing.T) {
	const slice = 3 * time.Millisecond
	var all turns
	var given time.Duration
	now := time.Duration(0)
	for now < time.Minute {
		if !all.due(now) {
			now += time.Millisecond
			continue
		}
		all.learn(now, now+slice)
		now += slice
		given += slice
	}
	require.Less(t, given, time.Minute/30)
	require.Greater(t, given, time.Minute/40)
}

func TestOneLongTurnAmongManyIsSoonForgotten(t *testing.T) {
	var all turns
	for range mostWeight {
		all.learn(0, longTurn+1)
	}
	for range mostWeight {
		all.learn(0, longTurn)
	}
	const took = 2 * time.Millisecond
	all.learn(0, took)
	require.False(t, all.due(longWeight*took))
	require.True(t, all.due(took+longWeight*took))
}

func TestATurnInWhichTheProcessWasStoppedIsNoHour(t *testing.T) {
	var all turns
	all.learn(0, time.Hour)
	require.False(t, all.due(time.Hour))
	require.True(t, all.due(time.Hour+time.Second))
}

func TestGivingATurnLooksBehindOtherGoroutines(t *testing.T) {
	var all turns
	looks := 0
	require.True(t, all.give(func() bool { looks++; return true }, false))
	require.Equal(t, 1, looks)
	require.False(t, all.give(func() bool { return false }, false))
	require.False(t, all.give(func() bool { return false }, true))
}
