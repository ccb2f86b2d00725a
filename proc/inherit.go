package proc

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/kindred-ipc/kindred/internal/inherit"
	"github.com/kindred-ipc/kindred/shm"
)

func init() {
	inherit.ByOptions = func(opts any) (inherit.Given, error) {
		o := newOptions(opts.([]Option))
		return inherit.Given{Files: o.files, Segments: o.segments}, o.check()
	}
}

// File returns the i-th file, from 0 on, that the parent gave by the option Files, or nil if it
// gave fewer. The context is the function's, or one derived from it. Each call returns the same
// *os.File, which is the child's to close.
func File(ctx context.Context, i int) *os.File {
	files := inherit.From(ctx).Files
	if i < 0 || i >= len(files) {
		return nil
	}
	return files[i]
}

// Segment returns the shared segment that ref points into, one of those that the parent gave by the
// option Share, or an error that is shm.ErrNotExist. The context is the function's, or one derived
// from it. Each call returns the same *shm.Segment.
func Segment(ctx context.Context, ref shm.Ref) (*shm.Segment, error) {
	for _, s := range inherit.From(ctx).Segments {
		if s.ID() == ref.Segment() {
			return s, nil
		}
	}
	return nil, fmt.Errorf("proc: segment %016x was not shared with this process: %w", ref.Segment(), shm.ErrNotExist)
}

// Segments returns all segments that the parent gave by the option Share, in the order given. The
// context is the function's, or one derived from it.
func Segments(ctx context.Context) []*shm.Segment {
	return slices.Clone(inherit.From(ctx).Segments)
}
