package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// mostNoise is how much worse than its goal a ratio may ever be: runs that lie further apart than that excuse nothing.
const mostNoise = 0.15

// noise is how far apart the runs lie of which the result's ratio is made: the median distance of their ratios from the
// median of these, as a share of it.
func (c conditioned) noise() float64 {
	apart := c.ratios()
	if len(apart) == 0 {
		return 0
	}
	middle := median(apart)
	if middle == 0 {
		return 0
	}
	for i := range apart {
		apart[i] = math.Abs(apart[i] - middle)
	}
	return median(apart) / middle
}

// misses reports whether the ratio is worse than the goal by more than the noise.
func (c conditioned) misses() bool {
	return c.Goal != nil && c.Ratio != nil && *c.Ratio > *c.Goal*(1+min(c.noise(), mostNoise))
}

// check says which goals are missed, the worst first, and which could not be looked at. It fails if any is missed.
func check(w io.Writer, all []conditioned) error {
	var missed []conditioned
	goals, unknown := 0, 0
	for _, c := range all {
		switch {
		case c.Goal == nil:
			continue
		case c.Ratio == nil:
			unknown++
			fmt.Fprintf(w, "%s: not checked: %s\n", c.Name, *c.Reference)
		case c.misses():
			missed = append(missed, c)
		}
		goals++
	}
	slices.SortStableFunc(missed, func(a, b conditioned) int { return cmp.Compare(*b.Ratio / *b.Goal, *a.Ratio / *a.Goal) })
	for _, c := range missed {
		fmt.Fprintf(w, "%s: missed: ratio %s, goal %s, noise %.0f %%\n", c.Name, ratio3(*c.Ratio), ratio3(*c.Goal), 100*c.noise())
	}
	if len(missed) > 0 {
		return fmt.Errorf("%d of %d goals are missed", len(missed), goals)
	}
	fmt.Fprintf(w, "%d goals are met, %d could not be checked\n", goals-unknown, unknown)
	return nil
}
