package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// measured is a result of these runs, against a goal of 1.
func measured(name string, ours, theirs []float64) conditioned {
	row := Row{Name: name, Goal: 1, Reference: Reference{Name: "C"}}
	r := summarize(row, row.figures()[0], ours, theirs, "")
	return conditioned{Result: r, Row: name, About: "what it is", Ours: ours, Theirs: theirs}
}

// aRun is one whose ratios are between 0.9 and the goal, with noise of a few percent.
func aRun() session {
	return session{aMachine, []conditioned{
		measured("close", []float64{9.8, 10, 10.3}, []float64{10, 10.1, 10.2}),
		measured("good", []float64{90, 95, 93}, []float64{100, 101, 104}),
		measured("noisy", []float64{5, 9, 40}, []float64{10, 10, 10}),
		{Result: Result{Name: "no goal"}, Row: "no goal", About: "the same alone"},
	}}
}

var aMachine = Machine{System: "linux/amd64, Linux 6.18", CPU: "a CPU", CPUs: 2, Placement: "CPU 0 and 1, two cores", Go: "go1.26", Runs: 3}

func TestAGoodRunPassesTheCheck(t *testing.T) {
	var out strings.Builder
	require.NoError(t, check(&out, aRun().results), out.String())
	require.Equal(t, "3 goals are met, 0 could not be checked\n", out.String())
}

// The gate must see a loss of 20 %, in every row by itself.
func TestASavedRunThatWasMadeWorseFailsTheCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	require.NoError(t, aRun().save(path))
	status, stdout, stderr := bench(t, "-from", path, "-check")
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "3 goals are met")

	for worse := range 3 {
		all, err := saved(path)
		require.NoError(t, err)
		require.Equal(t, aRun(), all)
		for i, v := range all.results[worse].Ours {
			all.results[worse].Ours[i] = 1.2 * v
		}
		*all.results[worse].Ratio *= 1.2
		other := filepath.Join(t.TempDir(), "worse.json")
		require.NoError(t, all.save(other))
		status, stdout, stderr := bench(t, "-from", other, "-check")
		if all.results[worse].Name == "noisy" { // at 0.9 with noise of 44 %, it is over the goal by 8 %
			require.Zero(t, status, stderr)
			continue
		}
		require.Equal(t, exitFailed, status)
		require.Contains(t, stdout, all.results[worse].Name+": missed: ratio 1.")
		require.Contains(t, stderr, "1 of 3 goals are missed")
	}
}

func TestNoiseExcusesLittle(t *testing.T) {
	steady := measured("steady", []float64{10.3, 10.3, 10.3}, []float64{10, 10, 10})
	require.Zero(t, steady.noise())
	require.True(t, steady.misses(), "3 % without any noise")
	shaky := measured("shaky", []float64{9.8, 10.3, 10.9}, []float64{10, 10, 10})
	require.InDelta(t, 0.05, shaky.noise(), 0.01)
	require.False(t, shaky.misses(), "3 % at a noise of 5 %")
	wild := measured("wild", []float64{6, 12, 18}, []float64{10, 10, 10})
	require.Equal(t, 0.5, wild.noise())
	require.True(t, wild.misses(), "20 %, whatever the noise")
}

func TestWhatCannotBeCheckedIsSaid(t *testing.T) {
	row := Row{Name: "x", Goal: 1, Reference: Reference{Name: "C"}}
	c := conditioned{Result: summarize(row, row.figures()[0], []float64{1}, nil, "no cc in PATH")}
	var out strings.Builder
	require.NoError(t, check(&out, []conditioned{c}))
	require.Equal(t, "x: not checked: C (absent: no cc in PATH)\n0 goals are met, 1 could not be checked\n", out.String())
}

func TestASavedRunIsShownAsItWasMeasured(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	status, first, stderr := bench(t, "-runs", "2", "-only", "^fake/(honest|several/p50)$", "-json", "-save", path)
	require.Zero(t, status, stderr)
	status, again, stderr := bench(t, "-from", path, "-json")
	require.Zero(t, status, stderr)
	require.Equal(t, first, again)
	status, _, stderr = bench(t, "-from", path+".not")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, path+".not")
}
