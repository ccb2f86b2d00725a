//go:build interleave

package sync

// How many rows a block has, where each look at one is a step: more than there are processes.
const (
	packed   = 5
	lineRows = 5

	keeperRows = 5
)

// As in rows.go. Nobody looks at them.
const (
	marks     = 1 << marksBits
	marksBits = 3
)

const (
	keeperMarks     = 1 << keeperMarksBits
	keeperMarksBits = 2
)
