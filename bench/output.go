package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
)

// printJSON prints one result as one object on one line.
func printJSON(w io.Writer, r Result) error {
	return json.NewEncoder(w).Encode(r)
}

// A conditioned result is one with what it was measured under.
type conditioned struct {
	Result
	Conditions Conditions
	Unsteady   string        // why not to believe it, if so
	Ours       runs          // as they were measured
	Theirs     runs          // of the reference
	Row, About string        // the row's name, which several figures share, and what it is
	Point      Point         // of a series, if it is one
	Took       time.Duration // the whole row, both sides, with all that is around them
}

// Conditions are what a row's figure holds for, the same for ours and the reference but for the cost.
type Conditions struct {
	Capacity, Work, Payload, Placement, Concurrency string

	Cost, TheirCost *Cost // of an operation, ours and the reference's; nil where there is none
}

// text is the cost as the table shows it.
func (c *Cost) text() string {
	if c == nil {
		return "-"
	}
	return digits(c.CPU) + " / " + strconv.FormatFloat(c.Switches, 'g', 2, 64)
}

// memory is the most that the measuring process had resident at once, in MiB.
func (c *Cost) memory() string {
	if c == nil || c.Memory == 0 {
		return "-"
	}
	return strconv.FormatFloat(c.Memory/(1<<20), 'f', 1, 64)
}

// printTable prints the results, and below them the conditions of each.
func printTable(w io.Writer, all []conditioned) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tunit\tours\tmin\tmax\truns\treference\ttheirs\tratio\tgoal\tmet")
	for _, r := range all {
		name := "-"
		if r.Reference != nil {
			name = *r.Reference
		}
		met := "-"
		switch {
		case r.Met != nil && *r.Met:
			met = "yes"
		case r.Met != nil:
			met = "not yet"
		case r.Goal != nil:
			met = "unknown"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Unit, digits(r.Value), digits(r.Min), digits(r.Max), r.Runs,
			name, optional(r.ReferenceValue, digits), optional(r.Ratio, significant), optional(r.Goal, ratio3), met)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "row\tCPU ns / switches\ttheirs\tMiB\ttheirs\tcapacity\twork per item\tpayload\tplacement\tconcurrency")
	for _, r := range all {
		c := r.Conditions
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name,
			c.Cost.text(), c.TheirCost.text(), c.Cost.memory(), c.TheirCost.memory(), c.Capacity, c.Work, c.Payload, c.Placement, c.Concurrency)
	}
	return t.Flush()
}

// printList prints the rows' names and what they are.
func printList(w io.Writer, all []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range all {
		for _, name := range r.names() {
			fmt.Fprintf(t, "%s\t%s\n", name, r.About)
		}
	}
	return t.Flush()
}

func optional(v *float64, format func(float64) string) string {
	if v == nil {
		return "-"
	}
	return format(*v)
}

// digits prints a figure with about three digits.
func digits(v float64) string {
	switch {
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// significant is a ratio of which something is left if it is small.
func significant(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.4f", v)
	}
	return ratio3(v)
}

func ratio3(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
