package main

import (
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
)

// logarithmic makes an axis hold all values, on a scale whose ticks are round numbers.
func logarithmic(a *plot.Axis, values []float64) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, plot.TickerFunc(ticks)
	a.Min, a.Max = 0.1, 10
	if len(values) > 0 {
		a.Min, a.Max = slices.Min(values)/1.15, slices.Max(values)*1.15
	}
}

// ticks are the round numbers on a scale: of each power of ten one, three, or all that are easily said.
func ticks(least, most float64) []plot.Tick {
	steps := []float64{1}
	switch decades := math.Log10(most / least); {
	case decades < 1.3:
		steps = []float64{1, 1.5, 2, 3, 5, 7}
	case decades < 3:
		steps = []float64{1, 2, 5}
	}
	var values []float64
	for e := math.Floor(math.Log10(least)); e <= math.Log10(most); e++ {
		for _, step := range steps {
			if v := step * math.Pow(10, e); v >= least && v <= most {
				values = append(values, v)
			}
		}
	}
	return ticksAt(values)
}

func ticksAt(values []float64) plot.ConstantTicks {
	all := make(plot.ConstantTicks, len(values))
	for i, v := range values {
		all[i] = plot.Tick{Value: v, Label: short(v)}
	}
	return all
}

// short is a number as a tick has it.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size*0.9999 {
			return strconv.FormatFloat(v/unit.size, 'g', 3, 64) + " " + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// places are the ticks of an axis of places: those that were measured, where these are few.
func places(measured []float64, many plot.Ticker) plot.Ticker {
	const few = 8
	at := slices.Compact(slices.Sorted(slices.Values(measured)))
	if len(at) > few {
		return many
	}
	return ticksAt(at)
}
