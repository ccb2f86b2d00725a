package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Plots are static SVGs, which take their ink from the page, or where they stand alone from plotStyle: light and dark,
// on a screen and in print. They are drawn here and not by a library, whose fonts every child process would read when it
// starts: it would be in what the rows of proc measure.

// plotStyle is what a plot needs that stands alone. The page has the same classes.
const plotStyle = `
.ink{fill:#1a1a1a}.soft{fill:#667}.axis{stroke:#99a;fill:none}.grid{stroke:#99a;stroke-opacity:.25;fill:none}
.met{fill:#2166ac;stroke:#2166ac}.missed{fill:#fff;stroke:#c4500b}.plain{fill:#889;stroke:#889}.goal{stroke:#1a1a1a}
.c0{stroke:#2166ac}.c1{stroke:#c4500b}.c2{stroke:#1b7837}.c3{stroke:#762a83}.c4{stroke:#8c6d00}.c5{stroke:#01665e}
.k0{fill:#2166ac}.k1{fill:#c4500b}.k2{fill:#1b7837}.k3{fill:#762a83}.k4{fill:#8c6d00}.k5{fill:#01665e}
@media (prefers-color-scheme:dark) and (not print){.ink{fill:#e6e6e6}.soft{fill:#aab}.goal{stroke:#e6e6e6}
.met{fill:#6aaeea;stroke:#6aaeea}.missed{fill:#16181c;stroke:#f28e4b}
.c0{stroke:#6aaeea}.c1{stroke:#f28e4b}.c2{stroke:#6cc38a}.c3{stroke:#c39bd3}.c4{stroke:#d4b13f}.c5{stroke:#5fc4b8}
.k0{fill:#6aaeea}.k1{fill:#f28e4b}.k2{fill:#6cc38a}.k3{fill:#c39bd3}.k4{fill:#d4b13f}.k5{fill:#5fc4b8}}
`

// colours is how many curves have one of their own.
const colours = 6

// A canvas is an SVG in the making.
type canvas struct {
	strings.Builder
	width, height float64
}

// close wraps up what was drawn. A plot that stands alone has its style in it, and a ground.
func (c *canvas) close(title string, alone bool) string {
	style, ground := "", ""
	if alone {
		style = "<style>text{font:12px system-ui,sans-serif}.ground{fill:#fff}" +
			"@media (prefers-color-scheme:dark){.ground{fill:#16181c}}" + plotStyle + "</style>\n"
		ground = fmt.Sprintf("<rect class=\"ground\" width=\"%.0f\" height=\"%.0f\"/>\n", c.width, c.height)
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" role=\"img\">\n<title>%s</title>\n%s%s%s</svg>\n",
		c.width, c.height, c.width, html.EscapeString(title), style, ground, c.String())
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(c, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", class, x1, y1, x2, y2)
}

// Where a text is held.
const (
	atStart  = "start"
	atMiddle = "middle"
	atEnd    = "end"
)

func (c *canvas) text(class, anchor string, x, y float64, s string) {
	fmt.Fprintf(c, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", class, anchor, x, y, html.EscapeString(s))
}

// A scale is logarithmic, from a value at one place to another at another.
type scale struct{ least, most, from, to float64 }

// spanning is a scale that holds all values.
func spanning(values []float64, from, to float64) scale {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !(v > 0) || math.IsInf(v, 1) })
	if len(values) == 0 {
		return scale{0.1, 10, from, to}
	}
	least, most := slices.Min(values), slices.Max(values)
	return scale{least / 1.15, most * 1.15, from, to}
}

func (s scale) at(v float64) float64 {
	v = min(max(v, s.least), s.most)
	return s.from + (s.to-s.from)*math.Log(v/s.least)/math.Log(s.most/s.least)
}

// ticks are the round numbers on the scale: of each power of ten one, three, or all that are easily said.
func (s scale) ticks() []float64 {
	decades := math.Log10(s.most / s.least)
	steps := []float64{1}
	switch {
	case decades < 1.3:
		steps = []float64{1, 1.5, 2, 3, 5, 7}
	case decades < 3:
		steps = []float64{1, 2, 5}
	}
	var all []float64
	for e := math.Floor(math.Log10(s.least)); e <= math.Log10(s.most); e++ {
		for _, step := range steps {
			if v := step * math.Pow(10, e); v >= s.least && v <= s.most {
				all = append(all, v)
			}
		}
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

// goalPlot shows the ratio of each result, how far its runs lie apart, and its goal.
func goalPlot(title string, all []conditioned, alone bool) string {
	const label, right, rowHeight, top = 330.0, 20.0, 19.0, 40.0
	c := &canvas{width: 860, height: top + rowHeight*float64(len(all)) + 34}
	values := []float64{1}
	for _, r := range all {
		values = append(values, *r.Ratio)
		if r.Goal != nil {
			values = append(values, *r.Goal)
		}
	}
	x := spanning(values, label, c.width-right)
	bottom := top + rowHeight*float64(len(all))
	for _, v := range x.ticks() {
		c.line("grid", x.at(v), top, x.at(v), bottom)
		c.text("soft", atMiddle, x.at(v), bottom+16, short(v))
	}
	c.line("axis", x.at(1), top-4, x.at(1), bottom)
	c.text("soft", atStart, label, top-10, "← ours is faster")
	c.text("soft", atEnd, c.width-right, top-10, "the reference is faster →")
	c.text("soft", atMiddle, (label+c.width-right)/2, bottom+31, "ratio, ours divided by the reference")
	for i, r := range all {
		y := top + rowHeight*(float64(i)+0.5)
		c.text("ink", atEnd, label-12, y+4, r.Name)
		class := "plain"
		switch {
		case r.Met != nil && *r.Met:
			class = "met"
		case r.Met != nil:
			class = "missed"
		}
		if runs := r.ratios(); len(runs) > 1 {
			c.line(class, x.at(slices.Min(runs)), y, x.at(slices.Max(runs)), y)
		}
		if r.Goal != nil {
			fmt.Fprintf(c, "<path class=\"goal\" stroke-width=\"2\" d=\"M%.1f %.1fv13\"/>\n", x.at(*r.Goal), y-6.5)
		}
		at := x.at(*r.Ratio)
		tip := fmt.Sprintf("<title>%s: ratio %s</title>", html.EscapeString(r.Name), ratio3(*r.Ratio))
		if class == "missed" {
			fmt.Fprintf(c, "<path class=\"missed\" stroke-width=\"2\" d=\"M%.1f %.1fl5 5-5 5-5-5z\">%s</path>\n", at, y-5, tip)
		} else {
			fmt.Fprintf(c, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\">%s</circle>\n", class, at, y, tip)
		}
	}
	return c.close(title, alone)
}

// A curve is what a figure did at several places. Of a reference it is dashed.
type curve struct {
	name   string
	dashed bool
	colour int
	x, y   []float64
}

// A curvePlot has a logarithmic scale for the figures, and one for the places where these have no names.
type curvePlot struct {
	title, unit, axis string
	places            []string
	curves            []curve
}

func (p curvePlot) draw(alone bool) string {
	const left, top, plotWidth, plotHeight, legendLine = 70.0, 26.0, 440.0, 250.0, 17.0
	c := &canvas{width: 860, height: top + max(plotHeight, legendLine*float64(len(p.curves))) + 50}
	var xs, ys []float64
	for _, u := range p.curves {
		xs, ys = append(xs, u.x...), append(ys, u.y...)
	}
	x, y := spanning(xs, left, left+plotWidth), spanning(ys, top+plotHeight, top)
	at := x.at
	if p.places != nil {
		at = func(v float64) float64 { return left + plotWidth*(v+0.5)/float64(len(p.places)) }
	}
	for _, v := range y.ticks() {
		c.line("grid", left, y.at(v), left+plotWidth, y.at(v))
		c.text("soft", atEnd, left-8, y.at(v)+4, short(v))
	}
	c.text("ink", atStart, left, top-10, p.title+", "+p.unit)
	for i, name := range p.places {
		c.text("soft", atMiddle, at(float64(i)), top+plotHeight+18, name)
	}
	if p.places == nil {
		for _, v := range p.marks(x) {
			c.line("grid", at(v), top, at(v), top+plotHeight)
			c.text("soft", atMiddle, at(v), top+plotHeight+18, short(v))
		}
	}
	c.text("soft", atMiddle, left+plotWidth/2, top+plotHeight+38, p.axis)
	c.line("axis", left, top+plotHeight, left+plotWidth, top+plotHeight)
	for i, u := range p.curves {
		dash := ""
		if u.dashed {
			dash = ` stroke-dasharray="5 4"`
		}
		class := u.colour % colours
		var d strings.Builder
		for k := range u.x {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(k, 1)], at(u.x[k]), y.at(u.y[k]))
		}
		fmt.Fprintf(c, "<path class=\"c%d\" fill=\"none\" stroke-width=\"1.8\"%s d=\"%s\"/>\n", class, dash, d.String())
		for k := range u.x {
			fmt.Fprintf(c, "<circle class=\"k%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"><title>%s: %s %s</title></circle>\n",
				class, at(u.x[k]), y.at(u.y[k]), html.EscapeString(u.name), digits(u.y[k]), html.EscapeString(p.unit))
		}
		ly := top + legendLine*(float64(i)+0.5)
		fmt.Fprintf(c, "<path class=\"c%d\" stroke-width=\"1.8\"%s d=\"M%.1f %.1fh22\"/>\n", class, dash, left+plotWidth+16, ly)
		c.text("ink", atStart, left+plotWidth+44, ly+4, u.name)
	}
	return c.close(p.title, alone)
}

// marks are where the axis below has numbers: at the places measured, where these are few.
func (p curvePlot) marks(x scale) []float64 {
	var all []float64
	for _, u := range p.curves {
		all = append(all, u.x...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > 8 {
		return x.ticks()
	}
	return all
}
