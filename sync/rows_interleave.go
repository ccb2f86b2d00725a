//go:build interleave

package sync

// How many rows a block has, where each look at one is a step: more than there are processes.
const (
	packed   = 5
	lineRows = 5
)
