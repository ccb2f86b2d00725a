// Package sketch is what the suite says to the program that draws its plots, by JSON: what is to be seen, and not how.
package sketch

// A Plot has a logarithmic scale for its figures, and shows ratios or curves.
type Plot struct {
	Title  string
	Ratios []Ratio

	Unit, Axis string   // of the curves: of their figures, and of the places
	Places     []string // have names, or a logarithmic scale where there are none
	Curves     []Curve
}

// A Ratio is ours divided by a reference's, from the least to the most of its runs.
type Ratio struct {
	Name               string
	Value, Least, Most float64
	Goal               float64 // 0 where there is none
	Met                bool
}

// A Curve is what a figure did at several places. That of a reference is dashed, in the colour of ours.
type Curve struct {
	Name   string
	Dashed bool
	Colour int
	Points []Point
}

// A Point is a figure at a place: one of the scale, or the number of one that has a name.
type Point struct{ X, Y float64 }
