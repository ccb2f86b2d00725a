package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// referenceJobs are one job or more for every program below reference/.
var referenceJobs = []struct {
	name, source, kind string
	job                Job
}{
	{"ping-pong", "pingpong", "", Job{N: 200, Warm: 20}},
	{"stream", "spsc", "", Job{N: 5000, Warm: 500, Capacity: 64}},
	{"paced stream", "spsc", "", Job{N: 5000, Warm: 500, Capacity: 64, Steps: 2}},
	{"stream through one slot", "spsc", "", Job{N: 100, Capacity: 1}},
	{"shared mutex", "mutex", "shared", Job{N: 200, Warm: 20}},
	{"robust mutex", "mutex", "robust", Job{N: 200, Warm: 20}},
	{"futex", "futex", "", Job{N: 200, Warm: 20}},
	{"work, no payload", "work", "", Job{N: 200, Warm: 20, Steps: 2}},
	{"clock, no payload", "clock", "", Job{N: 200, Warm: 20}},
}

func needsCC(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the C references are for Linux")
	}
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no cc in PATH")
	}
}

func TestEveryReferenceRunsAndChecksItsPayload(t *testing.T) {
	needsCC(t)
	r := quickRunner(t)
	used := map[string]bool{}
	for _, c := range referenceJobs {
		used[c.source+".c"] = true
		t.Run(c.name, func(t *testing.T) {
			ref, job := Reference{Source: c.source, Kind: c.kind}, c.job
			job.A, job.B = r.a.ID, r.b.ID
			job.Salt, job.PeerSalt = 1<<32-3, 1<<32-3 // the futex words, of 32 bits, wrap on the way
			v, err := r.cc.run(t.Context(), ref, job)
			require.NoError(t, err)
			require.Positive(t, v)
			if strings.Contains(c.name, "no payload") {
				return
			}
			job.PeerSalt++
			_, err = r.cc.run(t.Context(), ref, job)
			require.ErrorContains(t, err, "wrong payload")
		})
	}
	programs, err := filepath.Glob("reference/*.c")
	require.NoError(t, err)
	for _, p := range programs {
		require.True(t, used[filepath.Base(p)], "%s has no job here", p)
	}
}

func TestReferencesCompileWithoutAWarning(t *testing.T) {
	needsCC(t)
	programs, err := filepath.Glob("reference/*.c")
	require.NoError(t, err)
	for _, p := range programs {
		out, err := exec.Command("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", os.DevNull, p).CombinedOutput()
		require.NoError(t, err, "%s: %s", p, out)
	}
}

func TestReferenceRefusesABadCommandLine(t *testing.T) {
	needsCC(t)
	r := quickRunner(t)
	path, err := r.cc.program(t.Context(), "mutex")
	require.NoError(t, err)
	for _, args := range [][]string{{"kind=odd"}, {"n=many"}, {"m=1"}, {"n"}} {
		require.Error(t, exec.Command(path, args...).Run(), args)
	}
}

func TestWithoutACompilerTheReferenceIsAbsentAndTheRowRuns(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	status, stdout, stderr := bench(t, "-json", "-quick", "-runs", "1", "-only", "^harness/clock$")
	require.Zero(t, status, stderr)
	require.Regexp(t, `"reference":"C, clock_gettime \(absent: .*\)","reference_value":null,"ratio":null,`, stdout)
	require.Regexp(t, `"value":\d`, stdout)
}

func TestACompilerThatFailsLeavesTheReferenceAbsent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the C references are for Linux")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\necho no headers here >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cc"), []byte(script), 0o700))
	t.Setenv("PATH", dir)
	r := quickRunner(t)
	row, _ := find("harness/clock")
	result, err := r.measure(t.Context(), row)
	require.NoError(t, err)
	require.Equal(t, "C, clock_gettime (absent: cc: exit status 1: no headers here)", *result.Reference)
	require.Nil(t, result.Ratio)
}

// The calibration must work without C as well: then Go's own work is what the steps are chosen by.
func TestCalibrationFindsThePace(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := quickRunner(t)
	p, err := r.calibrate(t.Context(), 2)
	require.NoError(t, err)
	require.Positive(t, p.steps)
	require.Positive(t, p.inGo)
	require.Zero(t, p.inC)
	again, err := r.calibrate(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, p, again)
}
