package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sixRuns is a session of six runs a row, as few as have confidence intervals.
func sixRuns() session {
	s := session{machine: aMachine}
	for _, name := range []string{"a/steady", "b/slower"} {
		s.results = append(s.results, measured(name, []float64{9.6, 9.7, 9.8, 9.9, 10, 10.1}, []float64{10, 10, 10.1, 10.1, 10.2, 10.2}))
	}
	return s
}

// made worse by hand, in one row.
func worse(s session, row int, by float64) session {
	for i := range s.results[row].Ours {
		s.results[row].Ours[i] *= by
	}
	s.results[row].Value *= by
	*s.results[row].Ratio *= by
	return s
}

func TestALossOf20PercentShowsInTheComparisonAndFailsTheCheck(t *testing.T) {
	dir := t.TempDir()
	old, new := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	require.NoError(t, sixRuns().save(old))
	require.NoError(t, worse(sixRuns(), 1, 1.2).save(new))
	status, stdout, stderr := bench(t, "-from", new, "-compare", old, "-check")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "1 of 2 goals are missed")
	require.Contains(t, stdout, "b/slower: missed: ratio 1.")
	require.Regexp(t, `a/steady +ns +9\.85 ± 3% +9\.85 ± 3% +~ +1\.000 +6\+6 +0\.98 ± \d% +0\.98 ± \d% +~ +1\.000 +6\+6`, stdout)
	require.Regexp(t, `b/slower +ns +9\.85 ± 3% +11\.8 ± 3% +\+20\.00% +0\.002 +6\+6 +0\.98 ± \d% +1\.17 ± \d% +\+20\.00% +0\.002 +6\+6`, stdout)
}

func TestFewRunsShowNothingAndThatIsSaid(t *testing.T) {
	var out strings.Builder
	require.NoError(t, compare(&out, aRun(), aRun()))
	require.Contains(t, out.String(), "so few runs cannot show a difference")
	out.Reset()
	require.NoError(t, compare(&out, sixRuns(), sixRuns()))
	require.NotContains(t, out.String(), "so few runs")
}

func TestRowsThatOnlyOneSessionHasAreNamed(t *testing.T) {
	old, new := sixRuns(), sixRuns()
	old.results[0].Name, new.results[0].Name = "a/gone", "a/new"
	var out strings.Builder
	require.NoError(t, compare(&out, old, new))
	require.Contains(t, out.String(), "only in the old: a/gone\nonly in the new: a/new\n")
}

func TestARowWithoutAReferenceIsComparedByItsTimeAlone(t *testing.T) {
	old, new := sixRuns(), worse(sixRuns(), 0, 0.5)
	old.results[0].Theirs, new.results[0].Theirs = nil, nil
	both, _, _ := changes(old, new)
	require.Nil(t, both[0].ratio)
	require.True(t, both[0].time.significant())
	require.Equal(t, "-50.00%", both[0].time.delta())
	require.False(t, both[1].time.significant())
}

func TestWhatIsNoSavedRunIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	require.NoError(t, aRun().save(path))
	status, _, stderr := bench(t, "-from", path, "-compare", path+".not")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, path+".not")
}
