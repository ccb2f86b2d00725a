package ring

import (
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// newObject makes a ring's object, and returns its name beside it.
func newObject(seg *shm.Segment, spec segment.Spec, opts []shm.ObjectOption) (segment.Object, string, error) {
	spec, err := segment.Specify(spec, 0, opts)
	if err != nil {
		return segment.Object{}, spec.Name, err
	}
	o, err := seg.Engine().New(spec)
	return o, spec.Name, err
}
