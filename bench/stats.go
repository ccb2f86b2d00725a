package main

import (
	"fmt"
	"math"
	"slices"
)

// A Result is a measured row, and its JSON the line that -json prints: these keys in this order.
type Result struct {
	Name           string   `json:"name"`
	Unit           string   `json:"unit"`
	Value          float64  `json:"value"` // median of the runs
	Min            float64  `json:"min"`
	Max            float64  `json:"max"`
	Runs           int      `json:"runs"`
	Reference      *string  `json:"reference"` // says "absent" and why where it could not be measured
	ReferenceValue *float64 `json:"reference_value"`
	Ratio          *float64 `json:"ratio"` // ours divided by the reference, below 1 is better: the median of the runs'
	Goal           *float64 `json:"goal"`
	Met            *bool    `json:"met"` // null without a goal or without a ratio to hold against it
}

// summarize makes the result of a row's figure from its runs; reference is empty where it is absent or the row has none.
func summarize(r Row, f Figure, ours, reference []float64, absent string) Result {
	value := median(ours)
	out := Result{
		Name: f.of(r), Unit: f.Unit, Runs: len(ours),
		Value: round(value), Min: round(slices.Min(ours)), Max: round(slices.Max(ours)),
	}
	if f.Goal > 0 {
		out.Goal = &f.Goal
	}
	if r.Reference.none() {
		return out
	}
	name := r.Reference.Name
	if absent != "" {
		name += " (absent: " + absent + ")"
	}
	out.Reference = &name
	if len(reference) == 0 {
		return out
	}
	ratio := median(ratios(ours, reference))
	out.ReferenceValue, out.Ratio = new(round(median(reference))), new(round(ratio))
	if f.Goal > 0 {
		out.Met = new(ratio <= f.Goal)
	}
	return out
}

// ratios are those of the runs, each with the reference's run beside it: a machine that is in another state from one minute to
// the next, as a virtual one is whose CPUs are moved, is so for both.
func ratios(ours, reference []float64) []float64 {
	r := make([]float64, min(len(ours), len(reference)))
	for i := range r {
		r[i] = ours[i] / reference[i]
	}
	return r
}

// median returns the middle value, or the mean of the two in the middle. It leaves v as it is.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return (s[m-1] + s[m]) / 2
}

// quantile returns the smallest value of sorted that at least the share q of all values does not exceed.
func quantile[T any](sorted []T, q float64) T {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// round keeps four digits behind the point: more would be noise.
func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// unsteady says so when a side's runs lie too far apart for their median to mean much: the machine was busy, or the
// system moved the CPUs under us. It is empty otherwise.
func unsteady(unit string, ours, reference []float64) string {
	for _, side := range []struct {
		name string
		runs []float64
	}{{"ours", ours}, {"the reference", reference}} {
		if len(side.runs) == 0 || unit != "ns" { // what is no time of an operation may well be none
			continue
		}
		sorted := slices.Sorted(slices.Values(side.runs))
		if least, most := quantile(sorted, 0.1), quantile(sorted, 0.9); most > 1.5*least { // of five runs, all
			return fmt.Sprintf("unsteady: %s took from %s to %s %s; measure again on a quiet machine",
				side.name, digits(least), digits(most), unit)
		}
	}
	return ""
}
