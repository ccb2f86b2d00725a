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
)

//go:embed report.html
var reportPage string

// A report is what the page shows of a session.
type report struct {
	Machine    Machine
	Style      template.CSS
	Goals, Met int
	Unknown    []conditioned // goals that could not be looked at
	Missed     []conditioned // goals, the worst first
	Slower     []conditioned // than a reference, where no goal says by how much, the worst first
	Parts      []section
	Unsteady   []conditioned
}

// A section of the report is a package's.
type section struct {
	Title   string
	Plots   []template.HTML
	Results []conditioned
	Rows    []conditioned // one of each row, for what its figures have in common
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
	r := report{Machine: s.machine, Style: plotStyle}
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
			r.Parts = append(r.Parts, section{sections[i].title, plotsOf(results, false), results, rowsOf(results)})
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
func plotsOf(results []conditioned, alone bool) []template.HTML {
	var all []template.HTML
	var ratios []conditioned
	for _, c := range results {
		if c.Ratio != nil && *c.Ratio > 0 && c.Point == (Point{}) && (c.Goal != nil || !c.limited()) {
			ratios = append(ratios, c)
		}
	}
	if len(ratios) > 0 {
		all = append(all, template.HTML(goalPlot("Ratios and their goals", ratios, alone)))
	}
	for _, p := range append(percentilePlots(results), seriesPlots(results)...) {
		all = append(all, template.HTML(p.draw(alone)))
	}
	return all
}

// percentilePlots show rows that have percentiles, those of one unit together.
func percentilePlots(results []conditioned) []curvePlot {
	var plots []curvePlot
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
		i := slices.IndexFunc(plots, func(p curvePlot) bool { return p.unit == c.Unit })
		if i < 0 {
			i = len(plots)
			plots = append(plots, curvePlot{title: "Latencies", unit: c.Unit, axis: "percentile", places: names})
		}
		plots[i].add(c.Row, "", float64(place), c.Value)
	}
	return plots
}

// seriesPlots show how figures grow, each series in a plot of its own.
func seriesPlots(results []conditioned) []curvePlot {
	var plots []curvePlot
	for _, c := range results {
		if c.Point == (Point{}) {
			continue
		}
		i := slices.IndexFunc(plots, func(p curvePlot) bool { return p.title == c.Point.Series })
		if i < 0 {
			i = len(plots)
			plots = append(plots, curvePlot{title: c.Point.Series, unit: c.Unit, axis: c.Point.Axis})
		}
		ours := cmp.Or(c.Point.Of, "ours")
		plots[i].add(ours, "", c.Point.At, c.Value)
		if c.ReferenceValue != nil {
			plots[i].add(ours, brief(*c.Reference), c.Point.At, *c.ReferenceValue)
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

// add adds a point to the curve of that name, or to that of a reference of it, which has the same colour.
func (p *curvePlot) add(name, reference string, x, y float64) {
	u := curve{name: name, colour: len(p.curves)}
	if i := slices.IndexFunc(p.curves, func(u curve) bool { return u.name == name }); i >= 0 {
		u.colour = p.curves[i].colour
	} else {
		for _, other := range p.curves {
			if other.dashed {
				u.colour--
			}
		}
	}
	if reference != "" {
		u.name, u.dashed = name+": "+reference, true
	}
	i := slices.IndexFunc(p.curves, func(o curve) bool { return o.name == u.name })
	if i < 0 {
		i = len(p.curves)
		p.curves = append(p.curves, u)
	}
	p.curves[i].x, p.curves[i].y = append(p.curves[i].x, x), append(p.curves[i].y, y)
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

// writeReport writes the page into a directory.
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
	return errors.Join(t.Execute(f, reportOf(s)), f.Close())
}
