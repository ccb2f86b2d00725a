package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// aClock is one that each look at it moves on.
func aClock(now time.Time, step time.Duration) func() time.Time {
	return func() time.Time {
		now = now.Add(step)
		return now
	}
}

func TestARowIsMeasuredAsOftenAsItsShareOfTheTimeAllows(t *testing.T) {
	row, _ := find("fake/alone")
	for _, c := range []struct {
		share time.Duration
		runs  int
	}{{time.Hour, 5}, {5 * time.Second, 3}, {time.Second, 1}} {
		r := quickRunner(t)
		r.runs = 5
		now := time.Now()
		r.budget = budget{now: aClock(now, time.Second), end: now.Add(time.Hour), rows: int(time.Hour / c.share)}
		results, err := r.measure(t.Context(), row)
		require.NoError(t, err)
		require.Equal(t, c.runs, results[0].Runs, c.share)
	}
}

func TestWhatOneRowLeavesIsTheOthers(t *testing.T) {
	b := budget{now: aClock(time.Unix(0, 0), time.Second), end: time.Unix(41, 0), rows: 4}
	share, giveUp, err := b.begin()
	require.NoError(t, err)
	require.Equal(t, 10*time.Second, share)
	require.Equal(t, time.Unix(1, 0).Add(10*time.Second+7500*time.Millisecond), giveUp, "three quarters of their shares are kept for the other three")
	share, giveUp, err = b.begin()
	require.NoError(t, err)
	require.Equal(t, 13*time.Second, share)
	require.Equal(t, time.Unix(2, 0).Add(24*time.Second), giveUp)
}

func TestSlowRowsDoNotTakeTheTimeOfAllThatFollow(t *testing.T) {
	now := time.Unix(0, 0)
	b := budget{now: func() time.Time { return now }, end: time.Unix(100, 0), rows: 100}
	for range 50 {
		_, giveUp, err := b.begin()
		require.NoError(t, err)
		now = giveUp
	}
	share, _, err := b.begin()
	require.NoError(t, err)
	require.GreaterOrEqual(t, share, 750*time.Millisecond)
}

func TestARowForWhichNoTimeIsLeftIsNotMeasured(t *testing.T) {
	r := quickRunner(t)
	r.budget = budget{now: time.Now, end: time.Now(), rows: 1}
	row, _ := find("fake/alone")
	_, err := r.measure(t.Context(), row)
	require.ErrorIs(t, err, errNoTime)
}

func TestARowThatTakesTooLongIsGivenUp(t *testing.T) {
	r := quickRunner(t)
	r.budget = budget{now: time.Now, end: time.Now().Add(50 * time.Millisecond), rows: 1}
	row, _ := find("fake/endless")
	_, err := r.measure(t.Context(), row)
	require.ErrorIs(t, err, errNoTime)
}

func TestWhatWasCutIsSaid(t *testing.T) {
	var b budget
	b.cut("whole", 3, 3)
	b.cut("slow", 1, 3)
	b.cut("late", 0, 3)
	var out strings.Builder
	b.tell(&out, 3)
	require.Equal(t, "cut: measured less often than 3 times: slow (1)\ncut: not measured, for want of time: late\n", out.String())
}

func TestALookLeavesTheSeriesOut(t *testing.T) {
	o, err := parse([]string{"-quick"}, new(strings.Builder))
	require.NoError(t, err)
	for _, row := range o.selected() {
		require.False(t, strings.HasPrefix(row.Name, "scale/"), row.Name)
	}
}
