package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"

	"github.com/kindred-ipc/kindred/bench/internal/sketch"
)

func values(ticks []plot.Tick) []float64 {
	var all []float64
	for _, t := range ticks {
		all = append(all, t.Value)
	}
	return all
}

func TestTicksAreRoundAndOnTheScale(t *testing.T) {
	require.Equal(t, []float64{1, 10, 100, 1000}, values(ticks(0.9, 1150)))
	require.Equal(t, []float64{0.5, 1, 2, 5}, values(ticks(0.3, 8.1)))
	require.Equal(t, []float64{2, 3}, values(ticks(1.8, 3.4)))
	require.Equal(t, []string{"999", "1 k", "65.5 k", "1 M", "2 G"}, []string{short(999), short(1000), short(65536), short(1e6), short(2e9)})
	require.Equal(t, []float64{1, 4}, values(places([]float64{4, 1, 4}, plot.TickerFunc(ticks)).Ticks(0.9, 4.5)))
}

func TestAScaleHoldsWhatItIsGiven(t *testing.T) {
	a := plot.New().X
	logarithmic(&a, []float64{1, 1000})
	require.Greater(t, a.Norm(1), 0.0)
	require.Less(t, a.Norm(1000), 1.0)
	require.InDelta(t, 0.5, a.Norm(31.62), 0.001)
}

// Each row has its name, the mark of what it is, and a stroke for its goal.
func TestRatiosShowGoals(t *testing.T) {
	all := []sketch.Ratio{
		{Name: "a/met", Value: 0.5, Least: 0.4, Most: 0.6, Goal: 1, Met: true},
		{Name: "a/missed", Value: 2, Least: 2, Most: 2, Goal: 1},
		{Name: "a/none", Value: 3, Least: 3, Most: 3},
	}
	s, err := drawing(sketch.Plot{Title: "T", Ratios: all})
	require.NoError(t, err)
	for _, r := range all {
		require.Contains(t, s, ">"+r.Name+"<")
	}
	require.Equal(t, 2, strings.Count(s, "stroke:#1A1A1A"), "goals")
	require.Equal(t, 1, strings.Count(s, "fill:#2166AC"), "met")
	require.Equal(t, 1, strings.Count(s, "stroke:#C4500B"), "missed")
	require.Equal(t, 1, strings.Count(s, "fill:#888899"), "without a goal")
}

func TestNothingIsDrawnAsWell(t *testing.T) {
	s, err := drawing(sketch.Plot{Title: "none"})
	require.NoError(t, err)
	require.Contains(t, s, `aria-label="none"`)
	require.NotContains(t, s, "NaN")
}
