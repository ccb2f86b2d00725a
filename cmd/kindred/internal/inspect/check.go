package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// CheckSynopsis is the line of check in the tool's list of commands.
const CheckSynopsis = "say whether a segment's structure is consistent"

// Check holds a segment's structure against itself, and then each object. It may run while others are
// at work.
func Check(_ context.Context, args []string, stdout, stderr io.Writer) int {
	c := newCommand("check", "NAME", CheckSynopsis, stdout, stderr)
	return c.run(args, func() error {
		var damage []error
		objects := 0
		err := observe(c.segment, c.config, func(s *segment.Segment) error {
			if err := s.Check(); err != nil {
				return err // what lies in it cannot be found for certain
			}
			return s.Objects(func(o segment.Object, name string) bool {
				objects++
				if err := checkObject(o); err != nil {
					damage = append(damage, fmt.Errorf("%s: %s %q at %s: %w", quoted(c.segment), o.Kind(), name, o.Ref(), err))
				}
				return true
			})
		})
		if err := errors.Join(append(damage, err)...); err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "%s is consistent, with %d objects\n", segment.Printable(c.segment), objects)
		return err
	})
}

func checkObject(o segment.Object) error {
	switch o.Kind() {
	case segment.KindRaw:
		return nil
	case segment.KindSPSC, segment.KindBytes, segment.KindBroadcast, segment.KindMPMC:
		return ring.Check(o)
	case segment.KindQueue:
		return queue.Check(o)
	case segment.KindPipe:
		return queue.CheckPipe(o)
	case segment.KindValue, segment.KindArray, segment.KindList, segment.KindMap, segment.KindNamespace:
		return state.Check(o)
	}
	return sync.Check(o)
}
