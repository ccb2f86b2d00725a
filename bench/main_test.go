package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	gosync "sync"
	"testing"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	saidHello()
	fakes = []Row{
		{
			Name: "fake/honest", About: "checks its payload", N: 100, Payload: "uint64", Concurrency: "1 process",
			Ours: func(_ context.Context, j Job) (float64, error) {
				expect(j.Salt+j.N, j.PeerSalt+j.N, "fake")
				return 20, nil
			},
			Goal: 2,
			Reference: Reference{Name: "Go, a constant", Go: func(_ context.Context, j Job) (float64, error) {
				return 10, nil
			}},
		},
		{
			Name: "fake/failing", About: "fails always", N: 1,
			Ours: func(context.Context, Job) (float64, error) { return 0, errors.New("out of luck") },
		},
		{
			Name: "fake/nonsense", About: "takes no time", N: 1,
			Ours: func(context.Context, Job) (float64, error) { return 0, nil },
		},
		{
			Name: "fake/several", About: "measures two things", N: 1, Unit: "ms",
			Figures: []Figure{{Name: "p50"}, {Name: "p99", Goal: 1}, {Name: "threads", Unit: "threads", Goal: 1}},
			Meter: func(context.Context, Job) (Values, error) {
				return Values{"p50": 1, "p99": 8, "threads": 0}, nil
			},
			Reference: limit(10, "10 of whatever"),
		},
		{
			Name: "fake/endless", About: "never ends", N: 1,
			Ours: func(ctx context.Context, _ Job) (float64, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			},
		},
		{
			Name: "fake/alone", About: "has no reference", N: 1,
			Ours: func(context.Context, Job) (float64, error) { return 1.5, nil },
		},
	}
	proc.TestMain(tidy{m})
}

// tidy runs the tests, and leaves nothing behind.
type tidy struct{ m *testing.M }

func (t tidy) Run() int {
	status := t.m.Run()
	if r, err := compiled(); err != nil || r.Close() != nil {
		status = max(status, 1)
	}
	return status
}

// bench runs the program in this process; the rows run in children, as ever.
func bench(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	status = run(t.Context(), args, &out, &err)
	return status, out.String(), err.String()
}

func TestListNamesEveryRowWithOneLine(t *testing.T) {
	status, stdout, stderr := bench(t, "-list")
	require.Zero(t, status, stderr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var names []string
	for _, row := range rows() {
		names = append(names, row.names()...)
	}
	require.Len(t, lines, len(names))
	for i, name := range names {
		require.Regexp(t, "^"+regexp.QuoteMeta(name)+` +\S.*`, lines[i])
	}
}

func TestEveryRowIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range rows() {
		require.False(t, seen[row.Name], "%s: twice", row.Name)
		seen[row.Name] = true
		require.NotEmpty(t, row.About, row.Name)
		require.True(t, (row.Ours == nil) == (len(row.Figures) > 0) && (row.Meter == nil) == (len(row.Figures) == 0), row.Name)
		require.NotZero(t, row.N, row.Name)
		if strings.HasPrefix(row.Name, "fake/") {
			continue
		}
		require.NotEmpty(t, row.Payload, row.Name)
		require.NotEmpty(t, row.Concurrency, row.Name)
		if ref := row.Reference; ref.Source != "" {
			_, err := sources.ReadFile("reference/" + ref.Source)
			require.NoError(t, err, row.Name)
			_, err = languageOf(ref.Source)
			require.NoError(t, err, row.Name)
		}
	}
}

func TestJSONIsOneObjectALineWithExactlyTheKeys(t *testing.T) {
	status, stdout, stderr := bench(t, "-json", "-runs", "3", "-only", "^fake/(honest|alone)$")
	require.Zero(t, status, stderr)
	require.Equal(t, `{"name":"fake/honest","unit":"ns","value":20,"min":20,"max":20,"runs":3,`+
		`"reference":"Go, a constant","reference_value":10,"ratio":2,"goal":2,"met":true}`+"\n"+
		`{"name":"fake/alone","unit":"ns","value":1.5,"min":1.5,"max":1.5,"runs":3,`+
		`"reference":null,"reference_value":null,"ratio":null,"goal":null,"met":null}`+"\n", stdout)
}

func TestARowOfSeveralFiguresIsALineForEach(t *testing.T) {
	status, stdout, stderr := bench(t, "-json", "-runs", "1", "-only", "^fake/several/p99$")
	require.Zero(t, status, stderr)
	require.Equal(t, `{"name":"fake/several/p50","unit":"ms","value":1,"min":1,"max":1,"runs":1,`+
		`"reference":"limit: 10 of whatever","reference_value":10,"ratio":0.1,"goal":null,"met":null}`+"\n"+
		`{"name":"fake/several/p99","unit":"ms","value":8,"min":8,"max":8,"runs":1,`+
		`"reference":"limit: 10 of whatever","reference_value":10,"ratio":0.8,"goal":1,"met":true}`+"\n"+
		`{"name":"fake/several/threads","unit":"threads","value":0,"min":0,"max":0,"runs":1,`+
		`"reference":"limit: 10 of whatever","reference_value":10,"ratio":0,"goal":1,"met":true}`+"\n", stdout)
}

func TestTableShowsTheConditionsOfEachRow(t *testing.T) {
	status, stdout, stderr := bench(t, "-runs", "1", "-only", "^fake/honest$")
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, runtime.Version())
	require.Regexp(t, `fake/honest +ns +20\.0 +20\.0 +20\.0 +1 +Go, a constant +10\.0 +2\.00 +2\.00 +yes`, stdout)
	require.Regexp(t, `row +CPU ns / switches +theirs +MiB +theirs +capacity +work per item +payload +placement +concurrency`, stdout)
	require.Regexp(t, `fake/honest +\S+ / \S+ +\S+ / \S+ +\S+ +\S+ +- +none +uint64 +CPU \d+ +1 process`, stdout)
}

func TestBadCommandLines(t *testing.T) {
	for name, args := range map[string][]string{
		"flag":    {"-bogus"},
		"runs":    {"-runs", "-1"},
		"time":    {"-within", "-1s"},
		"pattern": {"-only", "("},
		"no row":  {"-only", "there is no such row"},
		"words":   {"ring"},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := bench(t, args...)
			require.Equal(t, exitUsage, status)
			require.Empty(t, stdout)
			require.Contains(t, stderr, "bench: ")
		})
	}
}

func TestARowThatFailsIsAnErrorAndTheOthersGoOn(t *testing.T) {
	status, stdout, stderr := bench(t, "-json", "-runs", "1", "-only", "^fake/(failing|nonsense|alone)$")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "fake/failing: run 1")
	require.Contains(t, stderr, "out of luck")
	require.Contains(t, stderr, `fake/nonsense: run 1: not a figure in ns: 0`)
	require.Equal(t, 1, strings.Count(stdout, "\n"))
	require.Contains(t, stdout, "fake/alone")
}

func TestAWrongPayloadMakesTheRunFail(t *testing.T) {
	r := quickRunner(t)
	r.fault = true
	row, _ := find("fake/honest")
	_, err := r.measure(t.Context(), row)
	require.ErrorContains(t, err, "wrong payload at the fake")
}

// Every row runs, and none would run with a payload that is not what was sent. Of the references the same is told by
// TestEveryReferenceRunsAndChecksItsPayload: here they would fail first, and hide that ours does not look.
func TestEveryRowChecksItsPayload(t *testing.T) {
	honest, faulty := quickRunner(t), quickRunner(t)
	faulty.fault = true
	seen := map[Point]int{}
	for _, row := range rows() {
		if strings.HasPrefix(row.Name, "fake/") || row.Place.needsTwo() && !honest.two {
			continue
		}
		if row.Point.Series != "" { // of a series the second: the others are as it is
			series := row.Point
			series.At = 0
			if seen[series]++; seen[series] != 2 {
				continue
			}
		}
		t.Run(row.Name, func(t *testing.T) {
			results, err := honest.measure(t.Context(), row)
			require.NoError(t, err)
			require.Len(t, results, len(row.figures()))
			require.Positive(t, results[0].Conditions.Cost.CPU)
			if row.Payload == "none" {
				return
			}
			row.Reference = Reference{}
			_, err = faulty.measure(t.Context(), row)
			require.ErrorContains(t, err, "wrong payload")
		})
	}
}

// The program itself, built and started as a user would: its exit status and what it leaves behind.
func TestTheProgram(t *testing.T) {
	tmp := t.TempDir()
	path := filepath.Join(tmp, "bench")
	build, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, string(build))
	cmd := exec.Command(path, "-json", "-quick", "-runs", "1", "-only", "^harness/clock$")
	left := t.TempDir()
	cmd.Env = append(os.Environ(), "TMPDIR="+left)
	out, err := cmd.Output()
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(out, &r))
	require.Equal(t, "harness/clock", r.Name)
	entries, err := os.ReadDir(left)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// compiled are the references of all tests that do without a PATH of their own: compiling takes longer than running. With a
// warning none is there.
var compiled = gosync.OnceValues(func() (*references, error) {
	r, err := newReferences()
	if err == nil {
		r.warn = []string{"-Wall", "-Wextra", "-Werror"}
	}
	return r, err
})

// quickRunner is a runner for tests: one run of very few operations.
func quickRunner(t *testing.T) *runner {
	t.Helper()
	r := ownRunner(t)
	shared, err := compiled()
	require.NoError(t, err)
	r.refs = shared
	return r
}

// ownRunner is a quickRunner with references of its own.
func ownRunner(t *testing.T) *runner {
	t.Helper()
	r, err := newRunner(1)
	require.NoError(t, err)
	refs := r.refs
	t.Cleanup(func() { require.NoError(t, refs.Close()) })
	r.divide, r.most = 1000, 1<<20
	return r
}
