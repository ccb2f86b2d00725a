package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

// A change is what became of a figure between two sessions: of its time, and of its ratio. The machine may have been
// another one, or in another state, of which the ratio tells less: reference and ours ran in turn.
type change struct {
	name, unit string
	time       difference
	ratio      *difference // nil where one of the two has none
}

// A difference is between the runs of two samples, by benchstat's statistics: medians, their confidence intervals, and
// the Mann-Whitney U test.
type difference struct {
	old, new benchmath.Summary
	test     benchmath.Comparison
}

// confidence is that of the intervals.
const confidence = 0.95

func differ(old, new runs) difference {
	a, b := benchmath.NewSample(slices.Clone(old), &benchmath.DefaultThresholds), benchmath.NewSample(slices.Clone(new), &benchmath.DefaultThresholds)
	none := benchmath.AssumeNothing
	return difference{none.Summary(a, confidence), none.Summary(b, confidence), none.Compare(a, b)}
}

// delta is the change of the median as benchstat shows it: "~" where the runs do not tell the two apart.
func (d difference) delta() string { return d.test.FormatDelta(d.old.Center, d.new.Center) }

// significant reports whether the runs tell the two apart.
func (d difference) significant() bool { return d.test.P < d.test.Alpha }

// ratios are those of the runs.
func (c conditioned) ratios() runs { return ratios(c.Ours, c.Theirs) }

// changes are those of the figures that both have, in new's order; and the names of those that only one has.
func changes(old, new session) (both []change, gone, come []string) {
	before := map[string]conditioned{}
	for _, c := range old.results {
		before[c.Name] = c
	}
	for _, c := range new.results {
		b, ok := before[c.Name]
		if !ok {
			come = append(come, c.Name)
			continue
		}
		delete(before, c.Name)
		one := change{name: c.Name, unit: c.Unit, time: differ(b.Ours, c.Ours)}
		if was, is := b.ratios(), c.ratios(); len(was) > 0 && len(is) > 0 {
			d := differ(was, is)
			one.ratio = &d
		}
		both = append(both, one)
	}
	for _, c := range old.results {
		if _, ok := before[c.Name]; ok {
			gone = append(gone, c.Name)
		}
	}
	return both, gone, come
}

// compare prints what has changed between two sessions.
func compare(w io.Writer, old, new session) error {
	both, gone, come := changes(old, new)
	fmt.Fprintf(w, "\nold: %v\nnew: %v\n", old.machine, new.machine)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tunit\told\tnew\tdelta\tp\tn\told ratio\tnew ratio\tdelta\tp\tn")
	warned := false
	for _, c := range both {
		fmt.Fprintf(t, "%s\t%s\t%s", c.name, c.unit, c.time.columns())
		if c.ratio == nil {
			fmt.Fprint(t, "\t-\t-\t-\t-\t-\n")
		} else {
			fmt.Fprintf(t, "\t%s\n", c.ratio.columns())
		}
		warned = warned || len(c.time.test.Warnings) > 0
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nmedian ± its interval of %.0f %% confidence; p by the Mann-Whitney U test, significant below %.2f, else ~; n runs before and after\n",
		100*confidence, benchmath.DefaultThresholds.CompareAlpha)
	if warned {
		fmt.Fprintln(w, "so few runs cannot show a difference, however large: -runs 5 can, and -runs 6 have intervals")
	}
	for _, only := range []struct {
		what  string
		names []string
	}{{"old", gone}, {"new", come}} {
		if len(only.names) > 0 {
			fmt.Fprintf(w, "only in the %s: %s\n", only.what, strings.Join(only.names, ", "))
		}
	}
	return nil
}

// columns are old, new, delta, p and n.
func (d difference) columns() string {
	return fmt.Sprintf("%s\t%s\t%s\t%.3f\t%d+%d", interval(d.old), interval(d.new), d.delta(), d.test.P, d.test.N1, d.test.N2)
}

// interval is a median with its confidence interval.
func interval(s benchmath.Summary) string { return digits(s.Center) + " ± " + s.PctRangeString() }
