package queue

import (
	"context"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/keeper"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// A message that names open files, or objects of segments that who receives it may not have, lies in a box, however short it is: the
// descriptors are kept as long as there is the box. See package internal/keeper for the states. Likewise the ends of pipes: see pipe_travel.go.

// freight is a handle in a message that has a descriptor which is to be kept, or is that of an end of a pipe, which is to be held.
type freight struct {
	codec.Handle
	path fmt.Stringer
	end  *pipe
}

// freightOf are those in v, in which there are handles.
func freightOf[T any](ctx context.Context, seg *segment.Segment, c *codec.Codec[T], v T) (some []freight, err error) {
	err = c.Handles(&v, func(h codec.Handle, path fmt.Stringer) error {
		end, err := endIn(seg, h)
		needed := end != nil
		if !needed && err == nil {
			needed, err = keeper.Needed(ctx, seg, h)
		}
		if needed && err == nil {
			some = append(some, freight{h, path, end})
		}
		return err
	})
	return some, err
}

// keep has them kept for a message, which is in a box, before it is put.
func keep(ctx context.Context, p *pack, some []freight) error {
	var ends []*pipe
	for _, f := range some {
		if f.end != nil {
			ends = append(ends, f.end)
		} else if err := keeper.Keep(ctx, p.box.Segment(), p.box.Place(), f.Handle); err != nil {
			return codec.AtPath(f.path, f.Handle, err)
		}
	}
	return holdAll(p.box, ends)
}

// rouseEnds has those look who wait at the other ends of pipes, whose ends were held for a message that was not put.
func rouseEnds(some []freight) {
	for _, f := range some {
		if f.end != nil {
			f.end.rouse()
		}
	}
}
