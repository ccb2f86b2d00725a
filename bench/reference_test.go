package main

import (
	"errors"
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
	{"ping-pong", "pingpong.c", "", Job{N: 200, Warm: 20}},
	{"stream", "spsc.c", "", Job{N: 5000, Warm: 500, Capacity: 64}},
	{"paced stream", "spsc.c", "", Job{N: 5000, Warm: 500, Capacity: 64, Steps: 2}},
	{"stream through one slot", "spsc.c", "", Job{N: 100, Capacity: 1}},
	{"many to many", "mpmc.c", "", Job{N: 5000, Warm: 500, Capacity: 64}},
	{"many to many, with many", "mpmc.c", "", Job{N: 5000, Warm: 500, Capacity: 64, Workers: 4}},
	{"memcpy", "memcpy.c", "128", Job{N: 5000, Warm: 500, Capacity: 4096}},
	{"memcpy, in and out", "memcpy.c", "128+out", Job{N: 5000, Warm: 500, Capacity: 4096}},
	{"round trips over a socket", "socket.c", "trips", Job{N: 200, Warm: 20}},
	{"writes into a socket", "socket.c", "4096", Job{N: 200, Warm: 20}},
	{"shared mutex", "mutex.c", "shared", Job{N: 200, Warm: 20}},
	{"robust mutex", "mutex.c", "robust", Job{N: 200, Warm: 20}},
	{"futex", "futex.c", "", Job{N: 200, Warm: 20}},
	{"contended mutex", "contended.c", "", Job{N: 200, Warm: 20, Workers: 1}},
	{"contended mutex, many threads", "contended.c", "", Job{N: 2000, Warm: 20, Steps: 5, Workers: 8}},
	{"semaphore", "semaphore.c", "", Job{N: 200, Warm: 20}},
	{"Boost's semaphore", "boost_semaphore.cc", "", Job{N: 200, Warm: 20}},
	{"Boost's stream", "boost_spsc.cc", "one", Job{N: 5000, Warm: 500, Capacity: 64}},
	{"Boost's paced stream", "boost_spsc.cc", "one", Job{N: 5000, Warm: 500, Capacity: 64, Steps: 2}},
	{"Boost's batches", "boost_spsc.cc", "batch", Job{N: 5001, Warm: 501, Capacity: 256}},
	{"Boost's queue", "boost_queue.cc", "", Job{N: 5000, Warm: 500, Capacity: 64}},
	{"Boost's large queue", "boost_queue.cc", "", Job{N: 5000, Warm: 500, Capacity: 1 << 17}},
	{"Boost's message queue", "boost_message_queue.cc", "", Job{N: 500, Warm: 50, Capacity: 16}},
	{"Python's queue", "python_queue.py", "", Job{N: 500, Warm: 50, Capacity: 16}},
	{"Python's dict", "python_state.py", "set", Job{N: 50, Warm: 5, Capacity: 10}},
	{"Python's pipe", "python_pipe.py", "", Job{N: 50, Warm: 5}},
	{"Python's pool", "python_pool.py", "map", Job{N: 50, Warm: 5, Workers: 2}},
	{"gRPC", "grpc.go", "", Job{N: 50, Warm: 5}},
	{"Boost's allocator alone", "boost_allocate.cc", "alone", Job{N: 500, Warm: 50}},
	{"Boost's allocator, two processes", "boost_allocate.cc", "both", Job{N: 500, Warm: 50}},
	{"Boost's map", "boost_map.cc", "", Job{N: 500}},
	{"Boost's map of strings", "boost_map_bytes.cc", "", Job{N: 500}},
	{"work, no payload", "work.c", "", Job{N: 200, Warm: 20, Steps: 2}},
	{"clock, no payload", "clock.c", "", Job{N: 200, Warm: 20}},
}

// needs skips a test where the language of a reference, or a library that it uses, is missing.
func needs(t *testing.T, r *runner, source string) {
	t.Helper()
	if _, err := r.refs.command(t.Context(), source); err != nil {
		_, absent := errors.AsType[*absentError](err)
		require.True(t, absent, err)
		t.Skip(err)
	}
}

// programs are the files below reference/ that are in one of the languages.
func programs(t *testing.T) []string {
	t.Helper()
	files, err := sources.ReadDir("reference")
	require.NoError(t, err)
	var found []string
	for _, f := range files {
		if strings.Contains(f.Name(), "_common.") { // what the others share
			continue
		}
		if _, err := languageOf(f.Name()); err == nil {
			found = append(found, f.Name())
		}
	}
	return found
}

func TestEveryReferenceRunsAndChecksItsPayload(t *testing.T) {
	r := quickRunner(t)
	used := map[string]bool{}
	for _, c := range referenceJobs {
		used[c.source] = true
		t.Run(c.name, func(t *testing.T) {
			needs(t, r, c.source)
			ref, job := Reference{Source: c.source, Kind: c.kind}, c.job
			job.A, job.B = r.a.ID, r.b.ID
			job.Salt, job.PeerSalt = 1<<32-3, 1<<32-3 // the futex words, of 32 bits, wrap on the way
			v, err := r.refs.run(t.Context(), ref, job)
			require.NoError(t, err)
			require.NotEmpty(t, v.Values)
			require.Positive(t, v.Usage.CPU)
			require.Greater(t, v.Usage.Memory, int64(500_000))
			for name, n := range v.Values {
				require.Positive(t, n, name)
			}
			if strings.Contains(c.name, "no payload") {
				return
			}
			job.PeerSalt++
			_, err = r.refs.run(t.Context(), ref, job)
			require.ErrorContains(t, err, "wrong payload")
		})
	}
	for _, p := range programs(t) {
		require.True(t, used[p], "%s has no job here", p)
	}
}

func TestReferencesCompileWithoutAWarning(t *testing.T) {
	r := quickRunner(t)
	for _, p := range programs(t) {
		l, err := languageOf(p)
		require.NoError(t, err)
		if l.flags == nil {
			continue
		}
		t.Run(p, func(t *testing.T) {
			_, err := r.refs.command(t.Context(), p)
			if err != nil && !strings.Contains(err.Error(), "-Werror") {
				needs(t, r, p) // no compiler, or no Boost
			}
			require.NoError(t, err)
		})
	}
}

func TestReferenceRefusesABadCommandLine(t *testing.T) {
	r := quickRunner(t)
	needs(t, r, "mutex.c")
	command, err := r.refs.command(t.Context(), "mutex.c")
	require.NoError(t, err)
	for _, args := range [][]string{{"kind=odd"}, {"n=many"}, {"m=1"}, {"n"}} {
		require.Error(t, exec.Command(command[0], args...).Run(), args)
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
		t.Skip("the references are for Linux")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\necho no headers here >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cc"), []byte(script), 0o700))
	t.Setenv("PATH", dir)
	r := ownRunner(t)
	row, _ := find("harness/clock")
	results, err := r.measure(t.Context(), row)
	require.NoError(t, err)
	require.Equal(t, "C, clock_gettime (absent: cc: exit status 1: no headers here)", *results[0].Reference)
	require.Nil(t, results[0].Ratio)
}

func TestALibraryThatIsMissingLeavesTheReferenceAbsent(t *testing.T) {
	r := ownRunner(t)
	needs(t, r, "mutex.c")
	path := filepath.Join(r.refs.dir, "needy.c")
	require.NoError(t, os.WriteFile(path, []byte("#include <there/is/no/such.h>\n"), 0o600))
	_, err := r.refs.run(t.Context(), Reference{Source: "needy.c"}, Job{})
	reason, ok := errors.AsType[*absentError](err)
	require.True(t, ok, err)
	require.Contains(t, reason.reason, "there/is/no/such.h")
}

// A source that is run as it is needs no compiler: its interpreter is given the file and the same arguments.
func TestAnInterpretedReference(t *testing.T) {
	r := ownRunner(t)
	path := filepath.Join(r.refs.dir, "count.py")
	require.NoError(t, os.WriteFile(path, []byte("import sys\nprint(len(sys.argv) - 1 + sys.argv.count('kind=odd'))\n"), 0o600))
	needs(t, r, "count.py")
	v, err := r.refs.run(t.Context(), Reference{Source: "count.py", Kind: "odd"}, Job{})
	require.NoError(t, err)
	require.Equal(t, Values{"": 11}, v.Values)
}

func TestASourceOfAnUnknownLanguageIsAnError(t *testing.T) {
	r := quickRunner(t)
	_, err := r.refs.run(t.Context(), Reference{Source: "mutex.f90"}, Job{})
	require.ErrorContains(t, err, "mutex.f90")
	_, absent := errors.AsType[*absentError](err)
	require.False(t, absent)
}

// The calibration must work without C as well: then Go's own work is what the steps are chosen by.
func TestCalibrationFindsThePace(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := ownRunner(t)
	p, err := r.calibrate(t.Context(), 2)
	require.NoError(t, err)
	require.Positive(t, p.steps)
	require.Positive(t, p.inGo)
	require.Zero(t, p.inC)
	again, err := r.calibrate(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, p, again)
}

func TestWhatAReferencePrints(t *testing.T) {
	for text, want := range map[string]Values{
		"12.5\n":           {"": 12.5},
		"p50 1\np99 2e3\n": {"p50": 1, "p99": 2000},
		"two words 7\n":    {"two words": 7},
		"7\nresident 8\n":  {"": 7, "resident": 8},
	} {
		v, err := printed(text)
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
	for _, text := range []string{"", "many", "1\n2\n", "p50 many", "p50 1\n\np99 2"} {
		_, err := printed(text)
		require.Error(t, err, text)
	}
}
