package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/bench/internal/sketch"
)

// aLongRun is a session with something of everything that the page shows.
func aLongRun() session {
	s := session{machine: aMachine, results: []conditioned{
		measured("ring/met", []float64{9, 9, 9.2}, []float64{10, 10, 10}),
		measured("ring/missed", []float64{12, 13, 12}, []float64{10, 10, 10}),
		measured("queue/missed & far", []float64{30, 31, 32}, []float64{10, 10, 10}),
		measured("queue/slower", []float64{15, 15, 15}, []float64{10, 10, 10}),
		{Result: Result{Name: "sync/alone", Unit: "ns", Value: 3}, Row: "sync/alone", About: "alone"},
	}}
	s.results[3].Goal, s.results[3].Met = nil, nil
	for i, name := range []string{"pool/call", "pool/call/p90", "pool/call/p99"} {
		s.results = append(s.results, measured(name, []float64{100 * float64(i+1)}, []float64{10}))
		s.results[len(s.results)-1].Row = "pool/call"
	}
	for _, at := range []float64{1, 2, 4} {
		c := measured("scale/x", []float64{10 * at}, []float64{20 * at})
		c.Point = Point{Series: "How x grows", Axis: "producers", At: at}
		s.results = append(s.results, c)
	}
	absent := Row{Name: "shm/unknown", Goal: 1, Reference: Reference{Name: "C"}}
	s.results = append(s.results, conditioned{Result: summarize(absent, absent.figures()[0], []float64{1}, nil, "no cc in PATH"), Row: absent.Name})
	return s
}

// pageOf is the report of a session.
func pageOf(t *testing.T, s session) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "report")
	path := filepath.Join(t.TempDir(), "saved")
	require.NoError(t, s.save(path))
	status, _, stderr := bench(t, "-from", path, "-report", dir)
	require.Zero(t, status, stderr)
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	require.NoError(t, err)
	return string(page)
}

func TestTheReportSaysFirstWhereWeLose(t *testing.T) {
	page := pageOf(t, aLongRun())
	require.True(t, strings.Contains(page, "Of 10 goals 4 are met, 5 not yet, and 1 could not be looked at here."))
	require.True(t, strings.Contains(page, aMachine.CPU))
	last := 0
	for _, text := range []string{
		`id="lose"`, "Goals that are not reached yet", "pool/call/p99<", "queue/missed &amp; far<", "ring/missed<",
		"Slower than a reference", "queue/slower<", "could not be looked at", "absent: no cc in PATH",
		`<h2 id="pool">`, `<h2 id="queue">`, `<h2 id="ring">`, `<h2 id="sync">`, `<h2 id="Scaling">`, "How x grows", `<h2 id="how">`, "harness/clock",
	} {
		at := strings.Index(page[last:], text)
		require.GreaterOrEqual(t, at, 0, "%q behind what comes before it", text)
		last += at
	}
	require.Less(t, strings.Index(page, "queue/missed &amp; far<"), strings.Index(page, "ring/met<"))
}

// It is to be read anywhere, and printed: nothing runs in it, and nothing is fetched.
func TestTheReportStandsAlone(t *testing.T) {
	page := pageOf(t, aLongRun())
	for _, no := range []string{"<script", "src=", "@import", "url("} {
		require.False(t, strings.Contains(page, no), no)
	}
	names := strings.Count(page, `xmlns="http://www.w3.org/2000/svg"`) + strings.Count(page, `xmlns:xlink="http://www.w3.org/1999/xlink"`)
	require.NotZero(t, names)
	require.Equal(t, strings.Count(page, "http"), names, "no address but the names of what an SVG is")
	require.True(t, strings.Contains(page, "@media print"))
	require.True(t, strings.Contains(page, "prefers-color-scheme:dark"))
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	require.NotContains(t, svg, "NaN")
	require.NotContains(t, svg, "Inf")
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, svg)
	}
}

func TestEveryPlotIsDrawn(t *testing.T) {
	all := plotsOf(aLongRun().results)
	drawn, err := drawnBy(all)
	require.NoError(t, err)
	require.Len(t, drawn, 3)
	for i, svg := range drawn {
		wellFormed(t, svg)
		require.Contains(t, svg, `aria-label="`+all[i].Title+`"`)
	}
	require.Contains(t, drawn[0], ">queue/missed &amp; far<")
	require.Contains(t, drawn[1], ">p99<")
	require.Contains(t, drawn[2], ">producers<")
}

// A ratio of nought has no place on the scale, and neither has a figure of nought.
func TestWhatHasNoPlaceOnAScaleIsNotDrawn(t *testing.T) {
	for i, name := range []string{"pool/idle", "pool/idle/p99"} {
		none := measured(name, []float64{0}, []float64{10})
		none.Row = "pool/idle"
		require.Zero(t, *none.Ratio, i)
		require.Empty(t, plotsOf([]conditioned{none}))
	}
}

func TestTheReportSaysWhyItHasNoPlots(t *testing.T) {
	t.Setenv("PATH", "")
	page := pageOf(t, aLongRun())
	require.Contains(t, page, "The plots could not be drawn:")
	require.NotContains(t, page, "<svg")
	require.Contains(t, page, "queue/missed &amp; far")
}

func TestACurveHasTheColourOfItsReference(t *testing.T) {
	var p sketch.Plot
	addPoint(&p, "a", "", sketch.Point{X: 1, Y: 1})
	addPoint(&p, "a", "C", sketch.Point{X: 1, Y: 2})
	addPoint(&p, "b", "", sketch.Point{X: 1, Y: 3})
	addPoint(&p, "a", "", sketch.Point{X: 2, Y: 4})
	require.Equal(t, []sketch.Curve{
		{Name: "a", Points: []sketch.Point{{X: 1, Y: 1}, {X: 2, Y: 4}}},
		{Name: "a: C", Dashed: true, Points: []sketch.Point{{X: 1, Y: 2}}},
		{Name: "b", Colour: 1, Points: []sketch.Point{{X: 1, Y: 3}}},
	}, p.Curves)
}

func TestWhatIsTheSameSaysAsWhat(t *testing.T) {
	all := inFull([]conditioned{
		{Result: Result{Name: "a/1"}, About: "a thing"}, {Result: Result{Name: "a/2"}, About: "the same, twice"},
		{Result: Result{Name: "b/1"}, About: "the same, of whatever"},
	})
	require.Equal(t, "a thing; the same, twice", all[1].About)
	require.Equal(t, "the same, of whatever", all[2].About)
}

func TestTheMemoryOfASideIsKnown(t *testing.T) {
	require.Equal(t, canPin, mostResident() > 1<<20)
}
