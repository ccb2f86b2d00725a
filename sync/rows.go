//go:build !interleave

package sync

// How many rows a block has.
const (
	packed   = 29 // so that it takes half a kibibyte with its header
	lineRows = 14 // and two kibibytes

	keeperRows = 6 // and one kibibyte
)

// marks is how many goroutines of a process have a mark of their own in an RWMutex.
const (
	marks     = 1 << marksBits
	marksBits = 3
)

// keeperMarks is how many goroutines of a process have a mark of their own in a Semaphore.
const (
	keeperMarks     = 1 << keeperMarksBits
	keeperMarksBits = 2
)
