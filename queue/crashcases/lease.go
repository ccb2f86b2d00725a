package crashcases

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// leaseCases are those of messages that come back if they are not done.
func leaseCases() []crashlab.Case {
	begun := []uint64{1, 2, 3}
	states := map[string][]uint64{"left": begun, "done": {2, 3}}
	type leasing struct {
		line[string]
		lease queue.Lease[string]
	}
	take := func(v *leasing, a *crashlab.Actor) (err error) {
		if v.lease, err = v.q.Lease(a.Ctx); err == nil {
			err = v.Took(v.lease.Message, nil, 1)
		}
		return err
	}
	play := func(ready, do func(v *leasing, a *crashlab.Actor) error) func() crashlab.Play {
		return func() crashlab.Play {
			v := leasing{line: line[string]{content: inTexts, opts: []shm.ObjectOption{queue.Leases()}, begun: begun}}
			return crashlab.Play{
				Setup: v.setup, Open: v.open, Recover: v.recover, Check: v.judge(states),
				Ready:  func(a *crashlab.Actor) error { return ready(&v, a) },
				Victim: func(a *crashlab.Actor) error { return do(&v, a) },
			}
		}
	}
	nothing := func(*leasing, *crashlab.Actor) error { return nil }
	both := []string{"left", "done"}
	return []crashlab.Case{
		{Name: "queue.Queue.Lease", Covers: []string{"queue.Queue.Lease"}, States: both, Play: play(nothing,
			func(v *leasing, a *crashlab.Actor) error { return errors.Join(take(v, a), v.lease.Ack()) })},
		{Name: "queue.Queue.TryLease", Covers: []string{"queue.Queue.TryLease"}, States: both[:1], Play: play(nothing,
			func(v *leasing, _ *crashlab.Actor) error {
				l, ok, err := v.q.TryLease()
				return errors.Join(did(ok, err), l.Nack())
			})},
		{Name: "queue.Queue.Lease, again", Covers: []string{"queue.Queue.Lease"}, States: both, Play: play(
			func(v *leasing, a *crashlab.Actor) error { return errors.Join(take(v, a), v.lease.Nack()) },
			func(v *leasing, a *crashlab.Actor) error { return errors.Join(take(v, a), v.lease.Ack()) })},
		{Name: "queue.Lease.Ack", Covers: []string{"queue.Lease.Ack"}, States: both, Play: play(take,
			func(v *leasing, _ *crashlab.Actor) error { return v.lease.Ack() })},
		{Name: "queue.Lease.Nack", Covers: []string{"queue.Lease.Nack"}, States: both[:1], Play: play(take,
			func(v *leasing, _ *crashlab.Actor) error { return v.lease.Nack() })},
		{Name: "queue.Queue.Lease, to the dead", Covers: []string{"queue.Queue.Lease"}, States: both, Play: toTheDead},
	}
}

// toTheDead has the victim take one message that was handed out often enough to the queue for the dead, and be done with another.
func toTheDead() crashlab.Play {
	var q, dead *queue.Queue[string]
	emptied := func(q *queue.Queue[string]) (all []uint64, err error) {
		for {
			x, ok, err := q.TryGet()
			if err != nil || !ok {
				return all, err
			}
			n, err := inTexts.Tell(x)
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
	}
	return crashlab.Play{
		Setup: func(a *crashlab.Actor) error {
			dead, err := queue.New[string](a.Segment, capacity, shm.Named("dead"))
			if err != nil {
				return err
			}
			q, err := queue.New[string](a.Segment, capacity, shm.Named("queue"), queue.DeadTo(dead, 1))
			if err != nil {
				return err
			}
			_, err = q.PutMany(a.Ctx, inTexts.All(1, 2, 3))
			return err
		},
		Open: func(a *crashlab.Actor) (err error) {
			if q, err = queue.Open[string](a.Segment, "queue"); err == nil {
				dead, err = queue.Open[string](a.Segment, "dead")
			}
			return err
		},
		Ready: func(a *crashlab.Actor) error {
			l, err := q.Lease(a.Ctx)
			return errors.Join(err, l.Nack())
		},
		Victim: func(a *crashlab.Actor) error {
			l, err := q.Lease(a.Ctx)
			if err := inTexts.Took(l.Message, err, 2); err != nil {
				return err
			}
			return l.Ack()
		},
		Recover: func(a *crashlab.Actor) error {
			if !a.Paused {
				q.Len()
			}
			return nil
		},
		Check: func(a *crashlab.Actor) (string, error) {
			left, err := emptied(q)
			gone, e := emptied(dead)
			if err := errors.Join(err, e, q.Join(a.Ctx)); err != nil {
				return "", err
			}
			all := append(left, gone...)
			slices.Sort(all)
			all = slices.Compact(all) // one that died in the middle of it has left it in both
			switch {
			case slices.Equal(all, []uint64{1, 2, 3}):
				return "left", nil
			case slices.Equal(all, []uint64{1, 3}):
				return "done", nil
			}
			return "", fmt.Errorf("the messages are %v, and %v for the dead", left, gone)
		},
	}
}
