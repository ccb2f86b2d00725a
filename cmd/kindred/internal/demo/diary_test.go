package demo

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

func TestRestartsAreStartsAfterTheFirst(t *testing.T) {
	d := newDiary()
	count := func() int {
		events, _ := d.snapshot()
		return restarts(events)
	}
	d.add(pool.Event{Kind: pool.WorkerStarted, ID: 0})
	d.add(pool.Event{Kind: pool.WorkerStarted, ID: 1})
	require.Zero(t, count())
	for range 2 {
		d.add(pool.Event{Kind: pool.WorkerLost, ID: 0})
		d.add(pool.Event{Kind: pool.WorkerStarted, ID: 0})
	}
	require.Equal(t, 2, count())
}

func TestFollowSaysWhatIsMissing(t *testing.T) {
	d := newDiary()
	victim := killed{id: 1, pid: 11, path: "/x/a.go", at: time.Now(), results: 7}
	missing := func(want string) {
		t.Helper()
		events, _ := d.snapshot()
		_, err := follow(victim, events)
		require.ErrorIs(t, err, errNotYet)
		require.ErrorContains(t, err, want)
	}
	d.add(pool.Event{Kind: pool.WorkerStarted, ID: 1, Pid: 11})
	d.add(pool.Event{Kind: pool.TaskRetried, Input: job{Path: "/x/a.go"}, Attempt: 2})
	missing("not noticed")
	d.add(pool.Event{Kind: pool.WorkerLost, ID: 1, Pid: 11, Code: -1, Signal: syscall.SIGKILL, Input: job{Path: "/x/a.go"}, Attempt: 2})
	missing("/x/a.go was not done again")
	d.add(pool.Event{Kind: pool.TaskRetried, ID: 0, Pid: 10, Input: job{Path: "/x/other.go"}, Attempt: 2})
	missing("/x/a.go was not done again")
	d.add(pool.Event{Kind: pool.TaskRetried, ID: 0, Pid: 10, Input: job{Path: "/x/a.go"}, Attempt: 3})
	missing("not replaced")
	d.add(pool.Event{Kind: pool.WorkerStarted, ID: 0, Pid: 12})
	missing("not replaced")
	d.add(pool.Event{Kind: pool.WorkerStarted, ID: 1, Pid: 13})

	events, _ := d.snapshot()
	got, err := follow(victim, events)
	require.NoError(t, err)
	require.Positive(t, got.Noticed)
	got.Noticed = 0
	require.Equal(t, death{Worker: 1, Pid: 11, Task: "/x/a.go", Results: 7, Cause: "signal 9, killed", Replacement: 13, Attempt: 3}, got)
}

func TestFollowAllWaitsForTheEventsAndNotForEver(t *testing.T) {
	victim := killed{id: 0, pid: 10, path: "a", at: time.Now()}
	d := newDiary()
	ctx, cancel := context.WithCancel(context.Background())
	type answer struct {
		deaths []death
		err    error
	}
	answers := make(chan answer)
	ask := func() {
		deaths, err := d.followAll(ctx, []killed{victim})
		answers <- answer{deaths, err}
	}
	go ask()
	d.add(pool.Event{Kind: pool.WorkerLost, ID: 0, Pid: 10, Input: job{Path: "a"}})
	d.add(pool.Event{Kind: pool.TaskRetried, ID: 1, Pid: 11, Input: job{Path: "a"}, Attempt: 2})
	d.add(pool.Event{Kind: pool.WorkerStarted, ID: 0, Pid: 20})
	got := <-answers
	require.NoError(t, got.err)
	require.Equal(t, 20, got.deaths[0].Replacement)

	victim.pid = 99
	go ask()
	cancel()
	require.ErrorContains(t, (<-answers).err, "not noticed")
}

func TestCauseOfDeath(t *testing.T) {
	require.Equal(t, "exit status 3", event{Event: pool.Event{Code: 3}}.cause())
	require.Equal(t, "signal 9, killed", event{Event: pool.Event{Code: -1, Signal: syscall.SIGKILL}}.cause())
}
