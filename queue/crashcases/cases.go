// Package crashcases has the operations of package queue for the crash lab: what is done while a process is
// killed, and what must hold then.
package crashcases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// Cases are all of them.
func Cases() []crashlab.Case {
	return slices.Concat(makeCases(), casesOf("", crashlab.Words), casesOf(", of texts", inTexts), casesOf(", of texts, joinable", inTexts, queue.Joinable()),
		casesOf(", of texts, leased", inTexts, queue.Leases()), joinCases(), leaseCases(), pipeCases(), travelCases(), connCases(), destroyCases(), fileCases())
}

type content[T any] = crashlab.Content[T]

// inTexts has each second message in a box, and the others in their slots.
var inTexts = crashlab.Texts(func(n uint64) int { return int(n%2) * 100 })

// more is what survivors put.
const more = 101

const capacity = 8

// line is a queue as each process sees it.
type line[T any] struct {
	content[T]
	opts  []shm.ObjectOption
	begun []uint64
	drops bool // survivors put nothing, which would drop what is looked at
	q     *queue.Queue[T]
	added bool
}

func (v *line[T]) setup(a *crashlab.Actor) error {
	q, err := queue.New[T](a.Segment, capacity, append(slices.Clip(v.opts), shm.Named("queue"))...)
	if err != nil {
		return err
	}
	// Not from the first slot on.
	if _, err := q.PutMany(a.Ctx, v.All(50, 51, 52, 53, 54)); err != nil {
		return err
	}
	if _, err := q.GetMany(a.Ctx, make([]T, 5)); err != nil {
		return err
	}
	for err == nil {
		err = q.Done()
	}
	if !errors.Is(err, queue.ErrDone) && !errors.Is(err, queue.ErrNotJoinable) {
		return err
	}
	_, err = q.PutMany(a.Ctx, v.All(v.begun...))
	return err
}

func (v *line[T]) open(a *crashlab.Actor) (err error) {
	v.q, err = queue.Open[T](a.Segment, "queue")
	return err
}

// recover puts a message, which one who is stopped may keep it from.
func (v *line[T]) recover(a *crashlab.Actor) error {
	if a.Paused || v.added {
		return nil
	}
	if v.drops {
		if n := v.q.Len(); n < len(v.begun)-1 || n > len(v.begun) {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	}
	err := v.q.Put(a.Ctx, v.Of(more))
	if errors.Is(err, queue.ErrShutDown) {
		return nil
	}
	if err != nil {
		return err
	}
	v.added = true
	a.Say("added")
	return nil
}

// drain takes what is there.
func (v *line[T]) drain() (all []uint64, err error) {
	for n := v.q.Len(); ; n-- {
		x, ok, err := v.q.TryGet()
		if errors.Is(err, queue.ErrShutDown) || err == nil && !ok {
			if n != 0 {
				return nil, fmt.Errorf("length is %d more than there are messages", n)
			}
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		number, err := v.Tell(x)
		if err != nil {
			return nil, err
		}
		all = append(all, number)
	}
}

// judge is the name of the state in which the queue is, as the messages say that are not those that survivors put.
func (v *line[T]) judge(states map[string][]uint64) func(*crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		left, err := v.drain()
		if err != nil {
			return "", err
		}
		rest := slices.DeleteFunc(slices.Clone(left), func(n uint64) bool { return n == more })
		// One who was killed while it recovered may have put, and has not said so.
		if added := len(left) - len(rest); added < len(a.Said) || added > len(a.Said)+a.Deaths {
			return "", fmt.Errorf("%v with %d messages of survivors, and %d deaths", left, len(a.Said), a.Deaths)
		}
		if err := v.join(a, len(left)); err != nil {
			return "", err
		}
		// What was put, and not committed, is freed by who uses its slot.
		for i := range uint64(2 * capacity) {
			if err := v.q.Put(a.Ctx, v.Of(i)); errors.Is(err, queue.ErrShutDown) {
				break
			} else if err != nil {
				return "", err
			}
			x, err := v.q.Get(a.Ctx)
			if err := v.Took(x, err, i); err != nil {
				return "", err
			}
		}
		// One who had no lock is missed by nobody.
		all, err := a.Segment.Engine().Participants()
		if err != nil {
			return "", err
		}
		for _, p := range all {
			a.Segment.Engine().Gone(p.Owner)
		}
		if n := a.Segment.Stats().Blocks; n != 1 {
			return "", fmt.Errorf("%d blocks in the segment, and not the queue alone", n)
		}
		for state, messages := range states {
			if slices.Equal(rest, messages) {
				return state, nil
			}
		}
		return "", fmt.Errorf("the messages are %v", rest)
	}
}

// join says of n messages that they are done, and that these were all.
func (v *line[T]) join(a *crashlab.Actor, n int) error {
	for range n {
		if err := v.q.Done(); errors.Is(err, queue.ErrNotJoinable) {
			return nil
		} else if err != nil {
			return err
		}
	}
	err := v.q.Join(a.Ctx)
	if errors.Is(err, queue.ErrNotJoinable) {
		return nil
	}
	if errors.Is(err, queue.ErrAbandoned) {
		err = v.q.Join(a.Ctx)
	}
	if e := v.q.Done(); !errors.Is(e, queue.ErrDone) && !errors.Is(e, queue.ErrNotJoinable) { // with leases there is a Join, and no Done
		return errors.Join(err, fmt.Errorf("one done more: %w", e))
	}
	return err
}

// storm puts and gets in all ways.
func (v *line[T]) storm(a *crashlab.Actor) error {
	for _, f := range []func() error{
		func() error { _, err := v.q.TryPut(v.Of(5)); return err },
		func() error { _, _, err := v.q.TryGet(); return err },
		func() error { _, err := v.q.TryPut(v.Of(6)); return err },
		func() error { v.q.Len(); return nil },
		func() error { _, err := v.q.TryPut(v.Of(7)); return err },
		func() error { _, _, err := v.q.TryGet(); return err },
	} {
		if err := unlessBusy(f()); err != nil {
			return err
		}
	}
	return nil
}

// unlessBusy leaves out that another was in the middle of it: in a storm he may have been kept from the CPUs for long.
func unlessBusy(err error) error {
	if errors.Is(err, queue.ErrBusy) {
		return nil
	}
	return err
}

// calm takes what a storm has left.
func (v *line[T]) calm(a *crashlab.Actor) error {
	if a.Paused {
		return nil
	}
	for { // the victim may be there, and stopped, until it dies
		_, _, err := v.q.TryGet()
		if !errors.Is(err, queue.ErrBusy) {
			return err
		}
		if err := a.Nap(); err != nil {
			return err
		}
	}
}

func useNew(a *crashlab.Actor) error {
	q, err := queue.Open[uint64](a.Segment, "new")
	if err != nil {
		return err
	}
	if err := q.Put(a.Ctx, more); err != nil {
		return err
	}
	_, err = q.Get(a.Ctx)
	return err
}

func makeCases() []crashlab.Case {
	return []crashlab.Case{
		making("queue.New", func(a *crashlab.Actor) error {
			_, err := queue.New[uint64](a.Segment, 4, shm.Named("new"))
			return err
		}),
		making("queue.OpenOrNew", func(a *crashlab.Actor) error {
			_, err := queue.OpenOrNew[uint64](a.Segment, "new", 4)
			return err
		}),
	}
}

// making is the case of a call that makes an object.
func making(name string, create func(*crashlab.Actor) error) crashlab.Case {
	return crashlab.Case{
		Name: name, Covers: []string{name}, States: []string{"absent", "there"},
		Play: func() crashlab.Play { return crashlab.Making(create, useNew) },
	}
}

// operation is what is cut off, with the states of the queue that it passes through.
type operation[T any] struct {
	name, how string
	states    [][]uint64
	do        func(q *queue.Queue[T], a *crashlab.Actor) error
}

// casesOf are the cases of a queue with that content.
func casesOf[T any](which string, c content[T], opts ...shm.ObjectOption) []crashlab.Case {
	begun := []uint64{1, 2, 3}
	all := []crashlab.Case{{
		Name: "queue.Open" + which,
		Covers: []string{
			"queue.Open", "queue.From", "queue.Queue.Ref", "queue.Queue.Len", "queue.Queue.Empty", "queue.Queue.Full", "queue.Queue.SetPolicy",
		},
		Play: func() crashlab.Play {
			v := line[T]{content: c, opts: opts, begun: begun}
			return crashlab.Play{
				Setup: v.setup, Open: v.open, Recover: v.calm, Storm: v.storm,
				Victim: func(a *crashlab.Actor) error {
					q, err := queue.Open[T](a.Segment, "queue")
					if err != nil {
						return err
					}
					q.SetPolicy(queue.Park)
					if q, err = queue.From[T](a.Segment, q.Ref()); err == nil && (q.Empty() || q.Full()) {
						err = errors.New("empty or full")
					}
					return err
				},
			}
		},
	}}
	for _, op := range []operation[T]{
		{"Put", "", [][]uint64{begun, {1, 2, 3, 9}}, func(q *queue.Queue[T], a *crashlab.Actor) error { return q.Put(a.Ctx, c.Of(9)) }},
		{"TryPut", "", [][]uint64{begun, {1, 2, 3, 9}}, func(q *queue.Queue[T], _ *crashlab.Actor) error {
			ok, err := q.TryPut(c.Of(9))
			return did(ok, err)
		}},
		{"PutMany", "", [][]uint64{begun, {1, 2, 3, 7}, {1, 2, 3, 7, 8}}, func(q *queue.Queue[T], a *crashlab.Actor) error {
			_, err := q.PutMany(a.Ctx, c.All(7, 8))
			return err
		}},
		{"Get", "", [][]uint64{begun, {2, 3}}, func(q *queue.Queue[T], a *crashlab.Actor) error {
			x, err := q.Get(a.Ctx)
			return c.Took(x, err, 1)
		}},
		{"TryGet", "", [][]uint64{begun, {2, 3}}, func(q *queue.Queue[T], _ *crashlab.Actor) error {
			x, ok, err := q.TryGet()
			return c.Took(x, did(ok, err), 1)
		}},
		{"GetMany", "", manyStates(begun, opts), func(q *queue.Queue[T], a *crashlab.Actor) error {
			_, err := q.GetMany(a.Ctx, make([]T, 2))
			return err
		}},
		{"All", "", [][]uint64{begun, {2, 3}, {3}}, func(q *queue.Queue[T], a *crashlab.Actor) error {
			n := 0
			for _, err := range q.All(a.Ctx) {
				if n++; err != nil || n == 2 {
					return err
				}
			}
			return nil
		}},
		{"Shutdown", "", [][]uint64{begun}, func(q *queue.Queue[T], _ *crashlab.Actor) error { return q.Shutdown() }},
		{"ShutdownNow", "", [][]uint64{begun, {}}, func(q *queue.Queue[T], _ *crashlab.Actor) error { return q.ShutdownNow() }},
	} {
		all = append(all, caseOf(op, which, c, begun, opts))
	}
	full := []uint64{1, 2, 3, 4, 5, 6}
	return append(all, caseOf(operation[T]{
		"Put", "that drops the oldest", [][]uint64{full, {2, 3, 4, 5, 6}, {2, 3, 4, 5, 6, 7}},
		func(q *queue.Queue[T], a *crashlab.Actor) error { return q.Put(a.Ctx, c.Of(7)) },
	}, which, c, full, append(slices.Clip(opts), queue.DropOldest(), queue.MaxBytes(6*int(sizeIn(c, full))))))
}

// manyStates are those that a get of two messages passes through.
func manyStates(begun []uint64, opts []shm.ObjectOption) [][]uint64 {
	var asked segment.Spec
	for _, opt := range opts {
		opt(&asked)
	}
	var leased segment.Spec
	if queue.Leases()(&leased); asked.Variant&leased.Variant != 0 {
		return [][]uint64{begun, {2, 3}, {3}} // one after the other
	}
	return [][]uint64{begun, {3}}
}

// sizeIn is how many bytes a message has in the mean, in a queue that is full with those.
func sizeIn[T any](c content[T], numbers []uint64) (n uint64) {
	for _, x := range c.All(numbers...) {
		if s, ok := any(x).(string); ok {
			n += uint64(len(s))
		} else {
			n += 8
		}
	}
	return n / uint64(len(numbers))
}

func caseOf[T any](op operation[T], which string, c content[T], begun []uint64, opts []shm.ObjectOption) crashlab.Case {
	name := "queue.Queue." + op.name
	one := crashlab.Case{Name: name + which, Covers: []string{name}}
	if op.how != "" {
		one.Name += ", " + op.how
	}
	states := map[string][]uint64{}
	for i, s := range op.states {
		state := fmt.Sprintf("%d: %v", i, s)
		one.States = append(one.States, state)
		states[state] = s
	}
	one.Play = func() crashlab.Play {
		v := line[T]{content: c, opts: opts, begun: begun, drops: op.how != ""}
		return crashlab.Play{
			Setup: v.setup, Open: v.open, Recover: v.recover, Check: v.judge(states),
			Victim: func(a *crashlab.Actor) error { return op.do(v.q, a) },
		}
	}
	return one
}

func did(ok bool, err error) error {
	if err == nil && !ok {
		err = errors.New("nothing done")
	}
	return err
}

// joinCases are those of messages that the victim has taken before.
func joinCases() []crashlab.Case {
	states := map[string][]uint64{"left": {2, 3}}
	play := func(do func(q *queue.Queue[string], a *crashlab.Actor) error) func() crashlab.Play {
		return func() crashlab.Play {
			v := line[string]{content: inTexts, opts: []shm.ObjectOption{queue.Joinable()}, begun: []uint64{1, 2, 3}}
			return crashlab.Play{
				Setup: v.setup, Open: v.open, Recover: v.recover, Check: v.judge(states),
				Ready: func(a *crashlab.Actor) error {
					x, err := v.q.Get(a.Ctx)
					return v.Took(x, err, 1)
				},
				Victim: func(a *crashlab.Actor) error { return do(v.q, a) },
			}
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return []crashlab.Case{
		{Name: "queue.Queue.Done", Covers: []string{"queue.Queue.Done"}, States: []string{"left"}, Play: play(
			func(q *queue.Queue[string], _ *crashlab.Actor) error { return q.Done() })},
		{Name: "queue.Queue.Join", Covers: []string{"queue.Queue.Join"}, States: []string{"left"}, Play: play(
			func(q *queue.Queue[string], _ *crashlab.Actor) error {
				if err := q.Join(ended); !errors.Is(err, context.Canceled) {
					return fmt.Errorf("joined: %w", err)
				}
				return q.Done()
			})},
	}
}
