package demo

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const sample = `package sample

import "fmt"

type T struct{ a, b int }

func (t *T) sum() int { return t.a + t.b }

func Print(t *T) {
	f := func() { fmt.Println(t.sum()) }
	f()
	_ = t
}
`

func counted(source string) *tally {
	t := newTally()
	t.countSource("sample.go", []byte(source))
	return t
}

func TestCountOfAFile(t *testing.T) {
	got := counted(sample)
	require.Equal(t, totals{Files: 1, Lines: 13, Functions: 2, Bytes: len(sample)}, got.totals)
	require.Equal(t, map[string]int{
		"sample": 1, "T": 3, "a": 2, "b": 2, "int": 2, "t": 6, "sum": 2, "Print": 1, "f": 2, "fmt": 1, "Println": 1, "_": 1,
	}, got.identifiers)
}

func TestFileThatDoesNotParseHasLinesAndBytesAlone(t *testing.T) {
	source := "package p\nfunc good() {}\nfunc bad( {"
	got := counted(source)
	require.Equal(t, totals{Files: 1, Unparsed: 1, Lines: 3, Bytes: len(source)}, got.totals)
	require.Empty(t, got.identifiers)

	require.Equal(t, totals{Files: 1, Unparsed: 1}, counted("").totals)
}

func TestPackedTallyArrivesWhole(t *testing.T) {
	name := rapid.StringMatching(`[_\pL][_\pL\d]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		sent := newTally()
		sent.totals = totals{Files: 1, Unparsed: rapid.IntRange(0, 1).Draw(t, "unparsed"), Lines: rapid.Int().Draw(t, "lines")}
		sent.identifiers = rapid.MapOf(name, rapid.IntMin(1)).Draw(t, "identifiers")
		got := newTally()
		require.NoError(t, got.unpack(sent.pack()))
		require.Equal(t, sent, got)
	})
}

func TestUnpackRefusesNamesWithoutCounts(t *testing.T) {
	require.ErrorIs(t, newTally().unpack(packed{Names: "a\nb\n", Uses: []int{1}}), errMalformed)
	require.ErrorIs(t, newTally().unpack(packed{Names: "a\n", Uses: []int{1, 2}}), errMalformed)
	require.ErrorIs(t, newTally().unpack(packed{Names: "a", Uses: []int{1}}), errMalformed)
}

func TestTopBreaksTiesByName(t *testing.T) {
	s := newTally()
	s.identifiers = map[string]int{"b": 2, "a": 2, "c": 5, "d": 1}
	require.Equal(t, []identifierCount{{"c", 5}, {"a", 2}, {"b", 2}}, s.top(3))
	require.Len(t, s.top(10), 4)
}

func TestDifferencesNamesEveryOne(t *testing.T) {
	require.Empty(t, counted(sample).differences(counted(sample)))

	a, b := counted(sample), counted(sample)
	a.Lines++
	a.identifiers["only_here"] = 1
	delete(a.identifiers, "Print")
	b.identifiers["t"]--
	require.Equal(t, []string{
		"lines: 14 by processes, 13 by goroutines",
		"identifier Print: 0 by processes, 1 by goroutines",
		"identifier only_here: 1 by processes, 0 by goroutines",
		"identifier t: 6 by processes, 5 by goroutines",
	}, a.differences(b))
}

func TestGoroutinesCountAsOneDoes(t *testing.T) {
	dir := writeTree(t, "a.go", sample, "b.go", "package b", "c.go", "no Go", "d.go", sample)
	tree, err := readTree(context.Background(), dir)
	require.NoError(t, err)
	want := newTally()
	for _, path := range tree.files {
		require.NoError(t, want.count(path))
	}
	for _, n := range []int{1, 3, 16} {
		var done atomic.Int64
		got, err := countLocally(context.Background(), tree.files, n, func() { done.Add(1) })
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.EqualValues(t, len(tree.files), done.Load())
	}
}

func TestGoroutinesStopAtAnErrorAndAtTheEndOfTheContext(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.go")
	_, err := countLocally(context.Background(), []string{missing}, 4, func() {})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, missing)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = countLocally(ctx, []string{missing}, 4, func() {})
	require.ErrorIs(t, err, context.Canceled)
}
