package ring

import (
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// newObject makes a ring's object, and returns its name beside it.
func newObject(seg *shm.Segment, spec segment.Spec, opts []shm.ObjectOption) (segment.Object, string, error) {
	for _, opt := range opts {
		opt(&spec)
	}
	if !spec.Only(0) {
		return segment.Object{}, spec.Name, ErrOption
	}
	o, err := seg.Engine().New(spec)
	return o, spec.Name, err
}
