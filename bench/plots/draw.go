package main

import (
	"errors"
	"fmt"
	"html"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/kindred-ipc/kindred/bench/internal/sketch"
)

const width vg.Length = 645

var (
	ink    = color.RGBA{0x1a, 0x1a, 0x1a, 0xff}
	soft   = color.RGBA{0x55, 0x55, 0x66, 0xff}
	faint  = color.RGBA{0xe2, 0xe2, 0xe8, 0xff}
	blue   = color.RGBA{0x21, 0x66, 0xac, 0xff}
	orange = color.RGBA{0xc4, 0x50, 0x0b, 0xff}
	grey   = color.RGBA{0x88, 0x88, 0x99, 0xff}

	// colours are those of curves, which can be told apart by those who see no red or no green as well.
	colours = []color.RGBA{blue, orange, {0x1b, 0x78, 0x37, 0xff}, {0x76, 0x2a, 0x83, 0xff}, {0x8c, 0x6d, 0x00, 0xff}, {0x01, 0x66, 0x5e, 0xff}}
)

// drawing is the SVG of a sketch.
func drawing(s sketch.Plot) (string, error) {
	if len(s.Ratios) > 0 {
		return ratios(s)
	}
	return curves(s)
}

// blank is a plot with nothing in it yet but its ground.
func blank(title string) *plot.Plot {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Color, p.Title.TextStyle.Font.Size, p.Title.Padding = ink, 10, 6
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Label.TextStyle.Color, a.Tick.Label.Color, a.Tick.Color = grey, soft, ink, grey
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size, a.Label.Padding = 9, 9, 4
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)
	return p
}

// svg is what was drawn, with its title for those who cannot see it, and with fonts to take where the library's is missing.
func svg(c *vgsvg.Canvas, title string) (string, error) {
	var b strings.Builder
	if _, err := c.WriteTo(&b); err != nil {
		return "", err
	}
	_, body, ok := strings.Cut(b.String(), "<svg ")
	if !ok {
		return "", errors.New("no SVG was drawn")
	}
	body = strings.ReplaceAll(body, "font-family:Liberation Sans;", "font-family:Liberation Sans,Arial,sans-serif;")
	return fmt.Sprintf("<svg role=\"img\" aria-label=\"%s\" %s", html.EscapeString(title), body), nil
}

// A stroke is a glyph: an upright line, two and a half times as high as the radius.
type stroke struct{}

func (stroke) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	reach := s.Radius * 5 / 4
	c.StrokeLine2(draw.LineStyle{Color: s.Color, Width: 1.5}, at.X, at.Y-reach, at.X, at.Y+reach)
}

// ratios shows the ratio of each row, how far its runs lie apart, and its goal.
func ratios(s sketch.Plot) (string, error) {
	// The library leaves room for a label below a logarithmic scale as if it stood at the right, so this one is above.
	p := blank(s.Title + ": ours divided by the reference; left of 1, ours is faster")
	values, names := []float64{1}, make([]string, len(s.Ratios))
	var spans struct {
		plotter.XYs
		plotter.XErrors
	}
	var goals, met, missed, plain plotter.XYs
	for i, r := range s.Ratios {
		row := len(s.Ratios) - 1 - i // the first on top
		names[row] = r.Name
		dot, goal := plotter.XY{X: r.Value, Y: float64(row)}, plotter.XY{X: r.Goal, Y: float64(row)}
		spans.XYs = append(spans.XYs, dot)
		spans.XErrors = append(spans.XErrors, struct{ Low, High float64 }{r.Value - r.Least, r.Most - r.Value})
		values = append(values, r.Least, r.Most)
		switch {
		case r.Goal == 0:
			plain = append(plain, dot)
			continue
		case r.Met:
			met = append(met, dot)
		default:
			missed = append(missed, dot)
		}
		goals, values = append(goals, goal), append(values, r.Goal)
	}
	even, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(names)) - 0.5}})
	if err != nil {
		return "", err
	}
	bars, err := plotter.NewXErrorBars(spans)
	if err != nil {
		return "", err
	}
	even.Color, bars.Color, bars.CapWidth = grey, grey, 0
	p.Add(even, bars)
	err = errors.Join(
		dots(p, goals, draw.GlyphStyle{Color: ink, Radius: 4, Shape: stroke{}}),
		dots(p, met, draw.GlyphStyle{Color: blue, Radius: 3, Shape: draw.CircleGlyph{}}),
		dots(p, missed, draw.GlyphStyle{Color: orange, Radius: 3.5, Shape: draw.SquareGlyph{}}),
		dots(p, plain, draw.GlyphStyle{Color: grey, Radius: 3, Shape: draw.CircleGlyph{}}),
	)
	if err != nil {
		return "", err
	}
	p.NominalY(names...)
	logarithmic(&p.X, values)
	c := vgsvg.New(width, 60+14*vg.Length(len(names)))
	p.Draw(draw.Crop(draw.New(c), 4, -8, 4, -4))
	return svg(c, s.Title)
}

// dots adds points that look alike.
func dots(p *plot.Plot, at plotter.XYs, style draw.GlyphStyle) error {
	if len(at) == 0 {
		return nil
	}
	all, err := plotter.NewScatter(at)
	if err != nil {
		return err
	}
	all.GlyphStyle = style
	p.Add(all)
	return nil
}

// curves shows how figures grow from place to place, the names of the curves beside it.
func curves(s sketch.Plot) (string, error) {
	const plotWidth, plotHeight, line vg.Length = 400, 230, 13
	p, legend := blank(s.Title+", "+s.Unit), plot.NewLegend()
	legend.Top, legend.Left, legend.Padding = true, true, 1
	legend.TextStyle.Font.Size, legend.TextStyle.Color = 9, ink
	var xs, ys []float64
	for _, u := range s.Curves {
		points := make(plotter.XYs, len(u.Points))
		for i, at := range u.Points {
			points[i] = plotter.XY(at)
			xs, ys = append(xs, at.X), append(ys, at.Y)
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return "", err
		}
		line.Color, line.Width = colours[u.Colour%len(colours)], 1.4
		if u.Dashed {
			line.Dashes = []vg.Length{4, 3}
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: line.Color, Radius: 2, Shape: draw.CircleGlyph{}}
		p.Add(line, dots)
		legend.Add(u.Name, line, dots)
	}
	logarithmic(&p.Y, ys)
	p.X.Label.Text = s.Axis
	if s.Places == nil {
		logarithmic(&p.X, xs)
		p.X.Tick.Marker = places(xs, p.X.Tick.Marker)
	} else {
		p.NominalX(s.Places...)
	}
	c := vgsvg.New(width, max(plotHeight, line*vg.Length(len(s.Curves)+2)))
	all := draw.New(c)
	p.Draw(draw.Crop(all, 4, plotWidth-width, 4, -4))
	legend.Draw(draw.Crop(all, plotWidth+10, 0, 0, -20))
	return svg(c, s.Title)
}
