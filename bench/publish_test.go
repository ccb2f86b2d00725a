package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// What stands in the README and in docs is what the suite makes of the session that stands there.
func TestTheRepositorysFiguresAreMadeByTheSuite(t *testing.T) {
	s, err := saved("../docs/figures.json")
	require.NoError(t, err)
	table, err := s.table()
	require.NoError(t, err)
	require.Contains(t, table, s.machine.CPU)
	require.Contains(t, table, s.machine.System)
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	made, err := within(string(readme), table)
	require.NoError(t, err)
	require.Equal(t, made, string(readme))
	plots, err := s.plotFiles()
	require.NoError(t, err)
	require.NotEmpty(t, plots)
	for name, svg := range plots {
		is, err := os.ReadFile(filepath.Join("../docs/plots", name))
		require.NoError(t, err)
		require.True(t, svg == string(is), "%s is another plot", name)
		wellFormed(t, svg)
	}
}

func TestTheREADMEsRowsExist(t *testing.T) {
	var names []string
	for _, row := range rows() {
		names = append(names, row.names()...)
	}
	for _, row := range publicRows {
		require.True(t, slices.Contains(names, row.name), row.name)
	}
}

func TestPublishing(t *testing.T) {
	root := t.TempDir()
	readme := filepath.Join(root, "README.md")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "docs"), 0o755))
	require.NoError(t, os.WriteFile(readme, []byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), 0o600))
	short, path := aLongRun(), filepath.Join(root, "saved")
	require.NoError(t, short.save(path))
	status, _, stderr := bench(t, "-from", path, "-publish", root)
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "pool/call/rpc is not in the session")

	for _, row := range publicRows {
		short.results = append(short.results, measured(row.name, []float64{90}, []float64{100}))
	}
	require.NoError(t, short.save(path))
	status, _, stderr = bench(t, "-from", path, "-publish", root)
	require.Zero(t, status, stderr)
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	require.Regexp(t, `^before\n<!-- bench: made(.|\n)*\| round trip over two rings.* \| 90\.0 ns \| C \| 100 ns \| 0\.90 \| 1\.00, met \|\n(.|\n)*<!-- bench: end -->\nafter\n$`, string(text))
	require.FileExists(t, filepath.Join(root, "docs/plots/scale-how-x-grows.svg"))
	again, err := saved(filepath.Join(root, "docs/figures.json"))
	require.NoError(t, err)
	require.Less(t, len(again.results), len(short.results), "only what is shown")
}

func TestFiguresHaveTheUnitThatSuitsThem(t *testing.T) {
	require.Equal(t, "9.50 ns", inUnits(9.5, "ns"))
	require.Equal(t, "1234 ns", inUnits(1234, "ns"))
	require.Equal(t, "12.3 µs", inUnits(12345, "ns"))
	require.Equal(t, "3.00 ms", inUnits(3e6, "ns"))
	require.Equal(t, "7.00 bytes", inUnits(7, "bytes"))
	require.Equal(t, "0.0012", significant(0.00123))
	require.Equal(t, "0.35", significant(0.351))
}

func TestSessionsOfOneMachineAreOneFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	require.NoError(t, aRun().save(path))
	a, err := os.ReadFile(path)
	require.NoError(t, err)
	later := sixRuns()
	later.machine.Load = "0.3"
	require.NoError(t, later.save(path))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(a, b...), 0o600))
	both, err := saved(path)
	require.NoError(t, err)
	require.Equal(t, aMachine, both.machine)
	require.Len(t, both.results, len(aRun().results)+len(later.results))

	later.machine.CPU = "another CPU"
	require.NoError(t, later.save(path))
	b, err = os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(a, b...), 0o600))
	_, err = saved(path)
	require.ErrorContains(t, err, "another machine")
}
