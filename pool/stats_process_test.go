package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

func TestStatsCountWhatHappens(t *testing.T) {
	p := newPool(t, 2, pool.Retry(1), pool.Grace(-1))
	require.Equal(t, pool.Stats{Size: 2, Ready: 2, Idle: 2, Workers: p.Stats().Workers}, p.Stats())

	path, open := newGate(t)
	path2, open2 := newGate(t)
	held, waits := start(testContext(t), p, gate, path), start(testContext(t), p, gate, path2)
	eventually(t, func() bool { return p.Stats().Running == 2 })
	queued := start(testContext(t), p, double, 1)
	eventually(t, func() bool { return p.Stats().Queued == 1 })
	require.Zero(t, p.Stats().Idle)
	open()
	open2()
	require.NoError(t, (<-held).err)
	require.NoError(t, (<-waits).err)
	require.NoError(t, (<-queued).err)

	_, err := failing.Call(testContext(t), p, "error")
	require.Error(t, err)
	_, err = ending.Call(testContext(t), p, "status 3")
	require.Error(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	given := start(ctx, p, hold, "")
	running(t, p, "hold")
	cancel()
	require.ErrorIs(t, (<-given).err, context.Canceled)

	eventually(t, func() bool { return p.Stats().Ready == 2 && p.Stats().Running == 0 && p.Stats().Restarts == 2 })
	s := p.Stats()
	require.EqualValues(t, 3, s.Done)
	require.EqualValues(t, 1, s.Failed)
	require.EqualValues(t, 2, s.Lost, "both attempts")
	require.EqualValues(t, 1, s.Cancelled)
	require.EqualValues(t, 4, s.Latency.Count())
	require.Len(t, s.Workers, 2)
	require.Equal(t, s.Done, s.Workers[0].Done+s.Workers[1].Done)
	require.Equal(t, pids(p), []int{s.Workers[0].Pid, s.Workers[1].Pid})

	var told map[string]any
	require.NoError(t, json.Unmarshal([]byte(p.Var().String()), &told))
	require.EqualValues(t, 3, told["Done"])
	require.EqualValues(t, 4, told["Latency"].(map[string]any)["count"])

	require.NoError(t, p.Shutdown(testContext(t)))
	s = p.Stats()
	require.EqualValues(t, 3, s.Done, "what is gone still counts")
	require.Zero(t, s.Ready)
}

func TestStatsMayBeAskedWhileCallsComeAndGo(t *testing.T) {
	p := newPool(t, 2, pool.Retry(100))
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var last uint64
		for {
			if s := p.Stats(); s.Done < last {
				t.Error(s.Done, last)
			} else {
				last = s.Done
			}
			select {
			case <-over:
				return
			case <-time.After(tick):
			}
		}
	})
	taken := 0
	for _, err := range double.Map(testContext(t), p, numbers(1000, &taken)) {
		require.NoError(t, err)
		if taken%300 == 0 {
			for _, pid := range pids(p) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	close(over)
	wg.Wait()
	require.EqualValues(t, 1000, p.Stats().Done)
}

func TestEventsAreLogged(t *testing.T) {
	var log bytes.Buffer
	p := newPool(t, 1, pool.Retry(1), pool.RestartLimit(1, time.Hour), pool.Log(slog.New(slog.NewTextHandler(&log, nil))))
	_, err := ending.Call(testContext(t), p, "status 3")
	require.Error(t, err)
	_, err = double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
	require.NoError(t, p.Shutdown(testContext(t)))
	var lines []string
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(line, " ")
		lines = append(lines, line[:strings.IndexByte(line, '=')+6])
	}
	text := log.String()
	for _, want := range []string{
		`level=INFO msg="pool: worker started" worker=0 pid=`,
		`level=WARN msg="pool: worker lost" worker=0 pid=`,
		` code=3 task=ending attempt=1`,
		`level=WARN msg="pool: task retried" worker=0 pid=`,
		` code=3 task=ending attempt=2`,
		`level=ERROR msg="pool: pool broken" error="pool: broken: more than 1 died`,
	} {
		at := strings.Index(text, want)
		require.GreaterOrEqual(t, at, 0, "%s in %v", want, lines)
		text = text[at+len(want):]
	}
	_, err = pool.New(testContext(t), pool.Log(nil))
	require.ErrorIs(t, err, pool.ErrOption)
}
