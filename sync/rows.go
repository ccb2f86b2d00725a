//go:build !interleave

package sync

// How many rows a block has.
const (
	packed   = 29 // so that it takes half a kibibyte with its header
	lineRows = 14 // and two kibibytes
)
