package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// doomed is what is destroyed, as each process sees it: the only object of its kind.
type doomed struct {
	kind  segment.Kind
	ref   shm.Ref
	there uint64 // blocks, before
}

func (d *doomed) open(a *crashlab.Actor) error {
	d.there = a.Segment.Stats().Blocks
	return a.Segment.Engine().Objects(func(o segment.Object, _ string) bool {
		if o.Kind() == d.kind {
			d.ref = o.Ref()
		}
		return true
	})
}

// settle sweeps what is not the survivors': an allocation that fails does.
func (d *doomed) settle(a *crashlab.Actor) error {
	if _, err := a.Segment.Alloc(1 << 30); !errors.Is(err, shm.ErrNoSpace) {
		return fmt.Errorf("a gibibyte: %w", err)
	}
	return nil
}

// check sees that all of it is there, or nothing.
func (d *doomed) check(blocks uint64) func(a *crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		if err := d.settle(a); err != nil { // who recovered may have done so before the death
			return "", err
		}
		switch gone := d.there - a.Segment.Stats().Blocks; gone {
		case 0:
			return "before", shm.Check(a.Segment)
		case blocks:
			return "after", shm.Check(a.Segment)
		default:
			return "", fmt.Errorf("%d blocks of %d are gone", gone, blocks)
		}
	}
}

func destroyCase(what string, kind segment.Kind, blocks uint64, setup func(a *crashlab.Actor) error) crashlab.Case {
	return crashlab.Case{
		Name: "shm.Segment.Destroy, of a " + what + " with its messages", Covers: []string{"shm.Segment.Destroy"}, States: []string{"before", "after"},
		Play: func() crashlab.Play {
			d := &doomed{kind: kind}
			return crashlab.Play{
				Room: 1 << 17, Setup: setup, Open: d.open, Recover: d.settle, Check: d.check(blocks),
				Victim: func(a *crashlab.Actor) error { return a.Segment.Destroy(d.ref) },
			}
		},
	}
}

// destroyCases have two messages with a box each time, and one without.
func destroyCases() []crashlab.Case {
	messages := inTexts.All(1, 2, 3)
	return []crashlab.Case{
		destroyCase("queue.Queue", segment.KindQueue, 3, func(a *crashlab.Actor) error {
			q, err := queue.New[string](a.Segment, capacity, shm.Named("queue"))
			if err == nil {
				_, err = q.PutMany(a.Ctx, messages)
			}
			return err
		}),
	}
}
