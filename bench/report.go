package main

import (
	"cmp"
	_ "embed"
	"errors"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kindred-ipc/kindred/bench/internal/sketch"
)

//go:embed report.html
var reportPage string

// A report is what the page shows of a session.
type report struct {
	Machine    Machine
	NoPlots    string // why there are none
	Goals, Met int
	Unknown    []conditioned // goals that could not be looked at
	Missed     []conditioned // goals, the worst first
	Slower     []conditioned // than a reference, where no goal says by how much, the worst first
	Parts      []section
	Unsteady   []conditioned
}

// A section of the report is a package's.
type section struct {
	Title    string
	sketches []sketch.Plot
	Plots    []template.HTML // of these, once they are drawn
	Results  []conditioned
	Rows     []conditioned // one of each row, for what its figures have in common
}

// sections are the packages in the page's order, by the first words of the rows' names.
var sections = []struct {
	title string
	words []string
}{
	{"pool", []string{"pool"}},
	{"proc", []string{"proc"}},
	{"queue", []string{"queue", "pipe", "conn"}},
	{"ring", []string{"ring", "futex"}},
	{"state", []string{"state"}},
	{"sync", []string{"sync"}},
	{"shm", []string{"shm"}},
	{"Scaling", []string{"scale"}},
	{"The harness itself", []string{"harness"}},
}

// sectionOf is the section of a row. What belongs to none is in the last but for the harness.
func sectionOf(row string) int {
	word, _, _ := strings.Cut(row, "/")
	for i, s := range sections {
		if slices.Contains(s.words, word) {
			return i
		}
	}
	return len(sections) - 2
}

// reportOf sorts a session out.
func reportOf(s session) report {
	r := report{Machine: s.machine}
	byPart := make([][]conditioned, len(sections))
	for _, c := range inFull(s.results) {
		i := sectionOf(c.Name)
		byPart[i] = append(byPart[i], c)
		if c.Unsteady != "" {
			r.Unsteady = append(r.Unsteady, c)
		}
		if c.Goal != nil {
			r.Goals++
		}
		switch {
		case c.Goal != nil && c.Ratio == nil:
			r.Unknown = append(r.Unknown, c)
		case c.Met != nil && *c.Met:
			r.Met++
		case c.Met != nil:
			r.Missed = append(r.Missed, c)
		case c.Ratio != nil && *c.Ratio > 1 && !c.limited():
			r.Slower = append(r.Slower, c)
		}
	}
	worst := func(a, b conditioned) int { return cmp.Compare(b.over(), a.over()) }
	slices.SortStableFunc(r.Missed, worst)
	slices.SortStableFunc(r.Slower, worst)
	for i, results := range byPart {
		if len(results) > 0 {
			r.Parts = append(r.Parts, section{Title: sections[i].title, sketches: plotsOf(results), Results: results, Rows: rowsOf(results)})
		}
	}
	return r
}

// inFull are the results, of which those that are about "the same" as one before say as what.
func inFull(results []conditioned) []conditioned {
	results = slices.Clone(results)
	about, word := "", ""
	for i, c := range results {
		first, _, _ := strings.Cut(c.Name, "/")
		switch {
		case !strings.HasPrefix(c.About, "the same"):
			about, word = c.About, first
		case first == word:
			results[i].About = about + "; " + c.About
		}
	}
	return results
}

// rowsOf are the results without those that share their row with one before.
func rowsOf(results []conditioned) []conditioned {
	return slices.CompactFunc(slices.Clone(results), func(a, b conditioned) bool { return a.Row == b.Row })
}

// over is by how much the ratio is worse than its goal, or where there is none than 1.
func (c conditioned) over() float64 {
	if c.Goal != nil {
		return *c.Ratio / *c.Goal
	}
	return *c.Ratio
}

// limited reports whether the reference is a fixed number, and not something that was measured.
func (c conditioned) limited() bool {
	return c.Reference != nil && strings.HasPrefix(*c.Reference, limitPrefix)
}

// plotsOf are the plots of a section: ratios, percentiles, series.
func plotsOf(results []conditioned) []sketch.Plot {
	var ratios []conditioned
	for _, c := range results {
		if c.Ratio != nil && c.Point == (Point{}) && (c.Goal != nil || !c.limited()) {
			ratios = append(ratios, c)
		}
	}
	return slices.Concat(ratioPlots(ratios), percentilePlots(results), seriesPlots(results))
}

// ratioPlots shows the ratios of all these in one plot, if there are any.
func ratioPlots(results []conditioned) []sketch.Plot {
	p := sketch.Plot{Title: "Ratios and their goals"}
	for _, c := range results {
		if *c.Ratio <= 0 {
			continue // has no place on a logarithmic scale
		}
		r := sketch.Ratio{Name: c.Name, Value: *c.Ratio, Least: *c.Ratio, Most: *c.Ratio, Met: c.Met != nil && *c.Met}
		if runs := c.ratios(); len(runs) > 1 {
			r.Least, r.Most = min(r.Value, slices.Min(runs)), max(r.Value, slices.Max(runs))
		}
		if c.Goal != nil {
			r.Goal = *c.Goal
		}
		p.Ratios = append(p.Ratios, r)
	}
	if p.Ratios == nil {
		return nil
	}
	return []sketch.Plot{p}
}

// percentilePlots show rows that have percentiles, those of one unit together.
func percentilePlots(results []conditioned) []sketch.Plot {
	var plots []sketch.Plot
	names := []string{"p50", "p90", "p99", "p99.9", "max"}
	for _, c := range results {
		figure := strings.TrimPrefix(strings.TrimPrefix(c.Name, c.Row), "/")
		if figure == "" && slices.ContainsFunc(results, func(o conditioned) bool { return o.Name == c.Row+"/p99" }) {
			figure = "p50"
		}
		place := slices.Index(names, figure)
		if place < 0 || c.Value <= 0 {
			continue
		}
		i := slices.IndexFunc(plots, func(p sketch.Plot) bool { return p.Unit == c.Unit })
		if i < 0 {
			i = len(plots)
			plots = append(plots, sketch.Plot{Title: "Latencies", Unit: c.Unit, Axis: "percentile", Places: names})
		}
		addPoint(&plots[i], c.Row, "", sketch.Point{X: float64(place), Y: c.Value})
	}
	return plots
}

// seriesPlots show how figures grow, each series in a plot of its own.
func seriesPlots(results []conditioned) []sketch.Plot {
	var plots []sketch.Plot
	for _, c := range results {
		if c.Point == (Point{}) {
			continue
		}
		i := slices.IndexFunc(plots, func(p sketch.Plot) bool { return p.Title == c.Point.Series })
		if i < 0 {
			i = len(plots)
			plots = append(plots, sketch.Plot{Title: c.Point.Series, Unit: c.Unit, Axis: c.Point.Axis})
		}
		ours := cmp.Or(c.Point.Of, "ours")
		addPoint(&plots[i], ours, "", sketch.Point{X: c.Point.At, Y: c.Value})
		if c.ReferenceValue != nil {
			addPoint(&plots[i], ours, brief(*c.Reference), sketch.Point{X: c.Point.At, Y: *c.ReferenceValue})
		}
	}
	return plots
}

// brief is a reference's name as far as a legend has room for it.
func brief(name string) string {
	const most = 36
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}

// addPoint adds a point to the curve of that name, or to that of a reference of it, which has the same colour.
func addPoint(p *sketch.Plot, name, reference string, at sketch.Point) {
	u := sketch.Curve{Name: name}
	if i := slices.IndexFunc(p.Curves, func(o sketch.Curve) bool { return o.Name == name }); i >= 0 {
		u.Colour = p.Curves[i].Colour
	} else {
		for _, other := range p.Curves {
			if !other.Dashed {
				u.Colour++
			}
		}
	}
	if reference != "" {
		u.Name, u.Dashed = name+": "+reference, true
	}
	i := slices.IndexFunc(p.Curves, func(o sketch.Curve) bool { return o.Name == u.Name })
	if i < 0 {
		i = len(p.Curves)
		p.Curves = append(p.Curves, u)
	}
	p.Curves[i].Points = append(p.Curves[i].Points, at)
}

// reportFunctions are what the page says numbers with.
var reportFunctions = template.FuncMap{
	"digits": digits,
	"ratio":  func(v *float64) string { return optional(v, significant) },
	"goal":   func(v *float64) string { return optional(v, ratio3) },
	"value":  func(v *float64) string { return optional(v, digits) },
	"cost":   (*Cost).text,
	"memory": (*Cost).memory,
	"met": func(c conditioned) string {
		switch {
		case c.Goal == nil:
			return ""
		case c.Met == nil:
			return "unknown"
		case *c.Met:
			return "met"
		}
		return "not yet"
	},
	"spread": func(s string) string {
		s, _, _ = strings.Cut(strings.TrimPrefix(s, "unsteady: "), ";")
		return s
	},
	"reference": func(c conditioned) string {
		if c.Reference == nil {
			return "–"
		}
		return *c.Reference
	},
}

// drawPlots has the plots of all sections drawn, in one go.
func (r *report) drawPlots() {
	var all []sketch.Plot
	for _, part := range r.Parts {
		all = append(all, part.sketches...)
	}
	drawn, err := drawnBy(all)
	if err != nil {
		r.NoPlots = err.Error()
		return
	}
	for i, part := range r.Parts {
		for range part.sketches {
			r.Parts[i].Plots, drawn = append(r.Parts[i].Plots, template.HTML(drawn[0])), drawn[1:]
		}
	}
}

// writeReport writes the page into a directory. Where plots cannot be drawn, it says why instead.
func (s session) writeReport(dir string) (err error) {
	t, err := template.New("report").Funcs(reportFunctions).Parse(reportPage)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "index.html"))
	if err != nil {
		return err
	}
	r := reportOf(s)
	r.drawPlots()
	return errors.Join(t.Execute(f, r), f.Close())
}
