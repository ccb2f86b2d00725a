package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// waitingChild is set in the environment of a test binary that is to wait for the end of its input.
const waitingChild = "KINDRED_TEST_WAITING_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(waitingChild) != "" {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func sampleTree(t *testing.T, files int) string {
	pairs := []string{"bad.go", "no Go"}
	for i := range files - 1 {
		pairs = append(pairs, fmt.Sprintf("p%d/sample.go", i), sample)
	}
	return writeTree(t, pairs...)
}

// command runs the demo with c for a pool.
func command(ctx context.Context, c *fakeCrew, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = demo{hire: c.hire, signals: c}.command(ctx, args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestDemoReportsWhatItKilled(t *testing.T) {
	c := &fakeCrew{}
	status, stdout, stderr := command(context.Background(), c, "-dir", sampleTree(t, 5), "-workers", "2")
	require.Zero(t, status, stderr)
	require.Equal(t, []int{2, 1}, c.requests)
	require.True(t, c.closed)
	require.Empty(t, c.stopped)
	require.Regexp(t, `^kill 1 of 1, with \d of 5 results in:
  worker \d \(pid \d\) was stopped, seen to hold the task \S+\.go, and killed
  the pool noticed after \S+ \(signal 9, killed\), and replaced the worker by pid 3
  the task was done again \(attempt 2\), by pid 3
`, stdout)
	require.Regexp(t, `(?m)^worker restarts +1 +-$`, stdout)
	require.Regexp(t, `(?m)^files +5$`, stdout)
	require.Regexp(t, `(?m)^unparsed files +1$`, stdout)
	require.Regexp(t, `(?m)^lines +53$`, stdout)
	require.Regexp(t, `(?m)^  t +24$`, stdout)
	require.Contains(t, stdout, "agree on every total")
	require.Contains(t, stderr, "processes  100%  5/5 files")
	require.Contains(t, stderr, "goroutines 100%  5/5 files")
}

func TestDemoAsJSON(t *testing.T) {
	c := &fakeCrew{}
	status, stdout, stderr := command(context.Background(), c, "-dir", sampleTree(t, 6), "-workers", "1", "-kill", "2", "-json")
	require.Zero(t, status, stderr)
	var r report
	decoder := json.NewDecoder(bytes.NewBufferString(stdout))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&r))
	require.False(t, decoder.More(), "one object")
	require.Equal(t, totals{Files: 6, Unparsed: 1, Lines: 66, Functions: 10, Bytes: 5*len(sample) + 5}, r.totals)
	require.Len(t, r.Kills, 2)
	require.Equal(t, 2, r.Restarts)
	require.True(t, r.Agree)
	require.Equal(t, identifierCount{"t", 30}, r.Top[0])
	require.Equal(t, 10, len(r.Top))
	require.Equal(t, 12, r.Identifiers)
	for _, d := range r.Kills {
		require.Equal(t, 2, d.Attempt)
		require.Equal(t, d.Replacement, d.DoneBy)
		require.NotEqual(t, d.Pid, d.Replacement)
	}
}

func TestDemoWithoutAKill(t *testing.T) {
	status, stdout, stderr := command(context.Background(), &fakeCrew{}, "-dir", sampleTree(t, 3), "-kill", "0", "-json")
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, `"kills": []`)
}

func TestDemoCanKillOnceForEachFile(t *testing.T) {
	for files := 1; files <= 3; files++ {
		c := &fakeCrew{}
		status, _, stderr := command(context.Background(), c, "-dir", sampleTree(t, files), "-workers", "2", "-kill", fmt.Sprint(files))
		require.Zero(t, status, stderr)
	}
}

func TestDisagreementIsAFailureThatSaysWhere(t *testing.T) {
	spoil := func(p *packed) {
		if p.Totals.Unparsed == 0 {
			p.Totals.Lines++
		}
	}
	dir := sampleTree(t, 3)
	status, stdout, stderr := command(context.Background(), &fakeCrew{spoil: spoil}, "-dir", dir, "-kill", "0")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stdout, "DISAGREE in 1 counts:\n  lines: 29 by processes, 27 by goroutines\n")
	require.Contains(t, stderr, errDisagree.Error())

	status, stdout, _ = command(context.Background(), &fakeCrew{spoil: spoil}, "-dir", dir, "-kill", "0", "-json")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stdout, `"agree": false`)
}

func TestKillThatWasNotPossibleIsAFailure(t *testing.T) {
	c := &fakeCrew{unseen: true}
	status, stdout, stderr := command(context.Background(), c, "-dir", sampleTree(t, 3))
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "1 of 1 workers could not be killed: all work was done")
	require.Contains(t, stdout, "agree on every total", "the result is shown nevertheless")
	require.True(t, c.closed)
}

func TestFailureInAWorkerIsReported(t *testing.T) {
	c := &fakeCrew{failing: errors.New("open x.go: vanished")}
	status, stdout, stderr := command(context.Background(), c, "-dir", sampleTree(t, 3))
	require.Equal(t, exitFailed, status)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "kindred demo: open x.go: vanished\n")
	require.True(t, c.closed)
}

func TestInterruptedDemoClosesThePool(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &fakeCrew{spoil: func(*packed) { cancel() }}
	status, stdout, stderr := command(ctx, c, "-dir", sampleTree(t, 9), "-kill", "0")
	require.Equal(t, exitInterrupted, status)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "kindred demo: interrupted\n")
	require.True(t, c.closed)
}

func TestWrongCommandLines(t *testing.T) {
	dir := sampleTree(t, 3)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-workers", "0"}, "-workers 0: at least one worker is needed"},
		{[]string{"-workers", "-3"}, "-workers -3: at least one worker is needed"},
		{[]string{"-workers", "many"}, `invalid value "many"`},
		{[]string{"-kill", "-1"}, "-kill -1: a number of workers"},
		{[]string{"-dir", dir, "-kill", "4"}, "-kill 4: there are only 3 files"},
		{[]string{"-speed"}, "flag provided but not defined: -speed"},
		{[]string{"here"}, `unexpected argument "here"`},
	} {
		status, stdout, stderr := command(context.Background(), &fakeCrew{}, c.args...)
		require.Equal(t, exitUsage, status, c.args)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.want)
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	status, _, stderr := command(context.Background(), &fakeCrew{}, "-h")
	require.Zero(t, status)
	require.Contains(t, stderr, "usage: kindred demo")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestReportThatCannotBeWrittenIsAFailure(t *testing.T) {
	for _, args := range [][]string{{}, {"-json"}} {
		var stderr bytes.Buffer
		c := &fakeCrew{}
		args = append(args, "-kill", "0", "-dir", sampleTree(t, 2))
		status := demo{hire: c.hire, signals: c}.command(context.Background(), args, fullDisk{}, &stderr)
		require.Equal(t, exitFailed, status)
		require.Contains(t, stderr.String(), "write the report: no space left")
	}
}
