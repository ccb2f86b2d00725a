package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	require.Equal(t, 3.0, median([]float64{3}))
	require.Equal(t, 2.0, median([]float64{9, 1, 2}))
	require.Equal(t, 2.5, median([]float64{3, 9, 1, 2}))
	v := []float64{2, 1}
	median(v)
	require.Equal(t, []float64{2, 1}, v)
}

func TestQuantile(t *testing.T) {
	v := make([]int, 100)
	for i := range v {
		v[i] = i + 1
	}
	require.Equal(t, 50, quantile(v, 0.50))
	require.Equal(t, 99, quantile(v, 0.99))
	require.Equal(t, 100, quantile(v, 1))
	require.Equal(t, 1, quantile(v, 0))
	require.Equal(t, 7, quantile([]int{7}, 0.5))
}

func TestSummaryOfARow(t *testing.T) {
	row := Row{Name: "a/b", Goal: 1.15, Reference: Reference{Name: "C"}}
	ours, reference := []float64{12, 10, 11}, []float64{10, 9, 20}

	r := summarize(row, row.figures()[0], ours, reference, "")
	require.Equal(t, []float64{11, 10, 12}, []float64{r.Value, r.Min, r.Max})
	require.Equal(t, 3, r.Runs)
	require.Equal(t, 10.0, *r.ReferenceValue)
	require.Equal(t, 1.1111, *r.Ratio, "10 to 9: the median of the runs' ratios")
	require.True(t, *r.Met)

	near, far := []float64{5, 5, 10, 10, 10}, []float64{9, 9, 30, 30, 9}
	r = summarize(row, row.figures()[0], near, far, "")
	require.Equal(t, 0.5556, *r.Ratio, "that of runs in the same state, not 10 to 9")

	r = summarize(row, row.figures()[0], []float64{11.6}, []float64{10}, "")
	require.False(t, *r.Met, "1.16 is more than 1.15")

	row.Goal = 0
	r = summarize(row, row.figures()[0], ours, reference, "")
	require.NotNil(t, r.Ratio)
	require.Nil(t, r.Goal)
	require.Nil(t, r.Met)
}

func TestSummaryGuessesNothing(t *testing.T) {
	row := Row{Name: "a/b", Goal: 1.15, Reference: Reference{Name: "C"}}
	r := summarize(row, row.figures()[0], []float64{1}, nil, "no cc in PATH")
	require.Equal(t, "C (absent: no cc in PATH)", *r.Reference)
	require.Equal(t, 1.15, *r.Goal)
	require.Nil(t, r.ReferenceValue)
	require.Nil(t, r.Ratio)
	require.Nil(t, r.Met)

	r = summarize(Row{Name: "a/b"}, Figure{Unit: "ns"}, []float64{1}, nil, "")
	require.Nil(t, r.Reference)
}

func TestRunsThatLieFarApartAreToldOf(t *testing.T) {
	require.Empty(t, unsteady("ns", []float64{10, 14}, nil))
	require.Contains(t, unsteady("ns", []float64{10, 16}, nil), "ours took from 10.0 to 16.0 ns")
	require.Contains(t, unsteady("ns", []float64{10}, []float64{90, 500, 95}), "the reference took from 90.0 to 500 ns")
}
