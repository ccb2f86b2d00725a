package proc

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/kindred-ipc/kindred/shm"
)

// inheritance is what a child got from its parent; the function's context carries it.
type inheritance struct {
	files    []*os.File
	segments []*shm.Segment
}

type inheritanceKey struct{}

func inherited(ctx context.Context) *inheritance {
	if i, ok := ctx.Value(inheritanceKey{}).(*inheritance); ok {
		return i
	}
	return &inheritance{}
}

// File returns the i-th file, from 0 on, that the parent gave by the option Files, or nil if it
// gave fewer. The context is the function's, or one derived from it. Each call returns the same
// *os.File, which is the child's to close.
func File(ctx context.Context, i int) *os.File {
	files := inherited(ctx).files
	if i < 0 || i >= len(files) {
		return nil
	}
	return files[i]
}

// Segment returns the shared segment that ref points into, one of those that the parent gave by the
// option Share, or an error that is shm.ErrNotExist. The context is the function's, or one derived
// from it. Each call returns the same *shm.Segment.
func Segment(ctx context.Context, ref shm.Ref) (*shm.Segment, error) {
	for _, s := range inherited(ctx).segments {
		if s.ID() == ref.Segment() {
			return s, nil
		}
	}
	return nil, fmt.Errorf("proc: segment %016x was not shared with this process: %w", ref.Segment(), shm.ErrNotExist)
}

// Segments returns all segments that the parent gave by the option Share, in the order given. The
// context is the function's, or one derived from it.
func Segments(ctx context.Context) []*shm.Segment {
	return slices.Clone(inherited(ctx).segments)
}
