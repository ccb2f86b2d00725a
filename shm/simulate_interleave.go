//go:build interleave

package shm

import "github.com/kindred-ipc/kindred/internal/segment"

// Over is the public face of an attach that package interleave made.
func Over(engine *segment.Segment) *Segment { return &Segment{engine: engine} }
