package crashcases

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// wire is a pipe as each process sees it, which has a handle of both of its ends. Its Ends lie in queues until then.
type wire struct {
	a, b  *queue.Pipe[string, string]
	spare queue.End
	only  bool // the victim alone has the second end
	added bool
}

// ends is how many processes a trial may have.
const ends = 16

func (w *wire) setup(a *crashlab.Actor) error {
	one, other, err := queue.NewPipe[string, string](a.Segment, capacity)
	if err != nil {
		return err
	}
	for i, p := range []*queue.Pipe[string, string]{one, other} {
		q, err := queue.New[queue.End](a.Segment, ends, shm.Named(sides[i]))
		if err != nil {
			return err
		}
		n := ends - 2
		if i == 1 && w.only {
			n = 1
		}
		for range n {
			e, err := p.End()
			if err != nil {
				return err
			}
			if err := q.Put(a.Ctx, e); err != nil {
				return err
			}
		}
	}
	// Not from the first slot on.
	for _, n := range []uint64{50, 51, 52} {
		if err := one.Send(a.Ctx, inTexts.Of(n)); err != nil {
			return err
		}
		if _, err := other.Recv(a.Ctx); err != nil {
			return err
		}
	}
	for _, n := range begun {
		if err := one.Send(a.Ctx, inTexts.Of(n)); err != nil {
			return err
		}
		if err := other.Send(a.Ctx, inTexts.Of(n)); err != nil {
			return err
		}
	}
	if !w.only {
		e, err := one.End()
		if err != nil {
			return err
		}
		q, err := queue.New[queue.End](a.Segment, 2, shm.Named("spare"))
		if err == nil {
			_, err = q.PutMany(a.Ctx, []queue.End{e, e})
		}
		if err != nil {
			return err
		}
	}
	holds := a.Segment.Stats().Blocks
	if err := errors.Join(one.Close(), other.Close()); err != nil {
		return err
	}
	return collected(a, holds-2)
}

// collected returns when there are no more blocks than those: what the handles had that are closed is free.
func collected(a *crashlab.Actor, blocks uint64) error {
	for a.Segment.Stats().Blocks > blocks {
		runtime.GC()
		if err := a.Ctx.Err(); err != nil {
			return fmt.Errorf("%d blocks, and not %d: %w", a.Segment.Stats().Blocks, blocks, err)
		}
	}
	return nil
}

var (
	begun = []uint64{1, 2, 3}
	sides = [2]string{"first", "second"}
)

func (w *wire) open(a *crashlab.Actor) (err error) {
	if w.a, err = w.end(a, sides[0]); err != nil || w.only && a.N >= 0 {
		return err
	}
	w.b, err = w.end(a, sides[1])
	return err
}

// end is a handle of the next End in a queue.
func (w *wire) end(a *crashlab.Actor, which string) (*queue.Pipe[string, string], error) {
	q, err := queue.Open[queue.End](a.Segment, which)
	if err != nil {
		return nil, err
	}
	e, err := q.Get(a.Ctx)
	if err != nil {
		return nil, err
	}
	return queue.PipeFrom[string, string](a.Segment, e)
}

// What survivors send may come to a slot where one who died has left his box: brief has none, and lengthy one of its own.
const brief, lengthy = 102, 101

// recover sends a message, from which one who is stopped may keep it.
func (w *wire) recover(a *crashlab.Actor) error {
	if a.Paused || w.added {
		return nil
	}
	message := uint64(brief)
	if a.N%2 == 1 {
		message = lengthy
	}
	if err := w.a.SendBytes(a.Ctx, []byte(inTexts.Of(message))); err != nil {
		return err
	}
	w.added = true
	a.Say("added")
	return nil
}

// drained are the numbers of the messages that are there.
func drained(p *queue.Pipe[string, string]) (all []uint64, err error) {
	for {
		ready, err := p.Ready()
		if err != nil {
			return nil, err
		}
		v, ok, err := p.TryRecv()
		if err == nil && ok != ready {
			err = fmt.Errorf("ready: %v, and received: %v", ready, ok)
		}
		if err != nil || !ok {
			return all, err
		}
		n, err := inTexts.Tell(v)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
}

// judge is the name of the state in which the lane is that the victim worked on.
func (w *wire) judge(states map[string][]uint64) func(*crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		left, err := drained(w.b)
		if err != nil {
			return "", err
		}
		rest := slices.DeleteFunc(slices.Clone(left), func(n uint64) bool { return n == brief || n == lengthy })
		// One who was killed while it recovered may have sent, and has not said so.
		if added := len(left) - len(rest); added < len(a.Said) || added > len(a.Said)+a.Deaths {
			return "", fmt.Errorf("%v with %d messages of survivors, and %d deaths", left, len(a.Said), a.Deaths)
		}
		// The other lane has what it had.
		if back, err := drained(w.a); err != nil || states != nil && !slices.Equal(back, begun) {
			return "", errors.Join(err, fmt.Errorf("the messages of the other lane are %v", back))
		}
		if err := w.tidy(a, 4); err != nil {
			return "", err
		}
		for state, messages := range states {
			if slices.Equal(rest, messages) {
				return state, nil
			}
		}
		if states == nil {
			return "", nil
		}
		return "", fmt.Errorf("the messages are %v", rest)
	}
}

// tidy uses each slot, and looks whether no blocks are left but those.
func (w *wire) tidy(a *crashlab.Actor, blocks uint64) error {
	for i := range uint64(2 * capacity) {
		for _, p := range [][2]*queue.Pipe[string, string]{{w.a, w.b}, {w.b, w.a}} {
			if err := p[0].Send(a.Ctx, inTexts.Of(i)); err != nil {
				return err
			}
			v, err := p[1].Recv(a.Ctx)
			if err := inTexts.Took(v, err, i); err != nil {
				return err
			}
		}
	}
	return noMore(a, blocks)
}

// noMore sweeps the dead, and looks whether those blocks are left alone, and what holds pipes.
func noMore(a *crashlab.Actor, blocks uint64) error {
	all, err := a.Segment.Engine().Participants()
	if err != nil {
		return err
	}
	for _, p := range all {
		a.Segment.Engine().Gone(p.Owner)
	}
	info, err := found(a)
	if err != nil {
		return err
	}
	for _, e := range info.Ends {
		blocks += uint64(e.Handles + e.Passing)
	}
	if n := a.Segment.Stats().Blocks; n != blocks {
		return fmt.Errorf("%d blocks in the segment, and not %d", n, blocks)
	}
	return nil
}

// storm sends and receives in all ways.
func (w *wire) storm(a *crashlab.Actor) error {
	for i := range uint64(4) {
		if _, err := w.a.TrySend(inTexts.Of(i)); unlessBusy(err) != nil {
			return err
		}
		if _, _, err := w.b.TryRecv(); unlessBusy(err) != nil {
			return err
		}
		if _, err := w.b.TrySend(inTexts.Of(i)); unlessBusy(err) != nil {
			return err
		}
		if _, _, err := w.a.TryRecv(); unlessBusy(err) != nil {
			return err
		}
	}
	return nil
}

// calm takes what a storm has left.
func (w *wire) calm(a *crashlab.Actor) error {
	if a.Paused {
		return nil
	}
	_, _, err := w.b.TryRecv()
	return err
}

// pipeOperation is what is cut off, with the states of the lane that it passes through.
type pipeOperation struct {
	name   string
	states [][]uint64
	do     func(w *wire, a *crashlab.Actor) error
}

func pipeCases() []crashlab.Case {
	sent := func(more ...uint64) [][]uint64 { return [][]uint64{begun, append(slices.Clone(begun), more...)} }
	took := func(states ...[]uint64) [][]uint64 { return append([][]uint64{begun}, states...) }
	all := []crashlab.Case{{
		Name: "queue.NewPipe", Covers: []string{"queue.NewPipe"}, States: []string{"absent", "there"},
		Play: func() crashlab.Play {
			return crashlab.Play{Ready: foresee, Victim: newPipe, Recover: newPipe, Check: checkNew}
		},
	}}
	for _, op := range []pipeOperation{
		{"Send", sent(9), func(w *wire, a *crashlab.Actor) error { return w.a.Send(a.Ctx, inTexts.Of(9)) }},
		{"TrySend", sent(8), func(w *wire, _ *crashlab.Actor) error {
			ok, err := w.a.TrySend(inTexts.Of(8))
			return did(ok, err)
		}},
		{"SendBytes", sent(7), func(w *wire, a *crashlab.Actor) error { return w.a.SendBytes(a.Ctx, []byte(inTexts.Of(7))) }},
		{"SendBytes, of a few", sent(6), func(w *wire, a *crashlab.Actor) error { return w.a.SendBytes(a.Ctx, []byte(inTexts.Of(6))) }},
		{"Recv", took([]uint64{2, 3}, []uint64{3}), func(w *wire, a *crashlab.Actor) error {
			for _, n := range []uint64{1, 2} {
				v, err := w.b.Recv(a.Ctx)
				if err := inTexts.Took(v, err, n); err != nil {
					return err
				}
			}
			return nil
		}},
		{"TryRecv", took([]uint64{2, 3}), func(w *wire, _ *crashlab.Actor) error {
			v, ok, err := w.b.TryRecv()
			return inTexts.Took(v, did(ok, err), 1)
		}},
		{"RecvBytes", took([]uint64{2, 3}), func(w *wire, a *crashlab.Actor) error {
			v, err := w.b.RecvBytes(a.Ctx)
			return inTexts.Took(string(v), err, 1)
		}},
		{"RecvInto", took([]uint64{2, 3}, []uint64{3}), func(w *wire, a *crashlab.Actor) error {
			buf := make([]byte, 200)
			n, err := w.b.RecvInto(a.Ctx, buf)
			if err := inTexts.Took(string(buf[:n]), err, 1); err != nil {
				return err
			}
			if _, err = w.b.RecvInto(a.Ctx, nil); errors.Is(err, queue.ErrCorrupt) || !errors.Is(err, io.ErrShortBuffer) {
				return fmt.Errorf("a buffer that is too short: %w", err)
			}
			return nil
		}},
		{"RecvInto, of a few", took([]uint64{2, 3}, []uint64{3}), func(w *wire, a *crashlab.Actor) error {
			if _, err := w.b.RecvBytes(a.Ctx); err != nil {
				return err
			}
			buf := make([]byte, 200)
			n, err := w.b.RecvInto(a.Ctx, buf)
			return inTexts.Took(string(buf[:n]), err, 2)
		}},
		{"Poll", took(), func(w *wire, a *crashlab.Actor) error { return w.b.Poll(a.Ctx) }},
	} {
		all = append(all, pipeCase(op))
	}
	return append(all, sharing()...)
}

func pipeCase(op pipeOperation) crashlab.Case {
	name, _, _ := strings.Cut(op.name, ",")
	one := crashlab.Case{Name: "queue.Pipe." + op.name, Covers: []string{"queue.Pipe." + name}}
	states := map[string][]uint64{}
	for i, s := range op.states {
		state := fmt.Sprintf("%d: %v", i, s)
		one.States = append(one.States, state)
		states[state] = s
	}
	one.Play = func() crashlab.Play {
		w := &wire{}
		return crashlab.Play{
			Setup: w.setup, Open: w.open, Recover: w.recover, Check: w.judge(states),
			Victim: func(a *crashlab.Actor) error { return op.do(w, a) },
		}
	}
	return one
}

// foresee has this process work out what types of messages are, which takes long in single steps.
func foresee(a *crashlab.Actor) error {
	if _, err := queue.PipeFrom[uint64, uint64](a.Segment, queue.End{}); !errors.Is(err, shm.ErrStale) {
		return fmt.Errorf("an End of nothing: %w", err)
	}
	return nil
}

// newPipe makes a pipe of no name, and uses it.
func newPipe(a *crashlab.Actor) error {
	if a.Paused { // the victim may hold the heap's lock, for which NewPipe waits without a context
		return nil
	}
	one, other, err := queue.NewPipe[uint64, uint64](a.Segment, 2, queue.OneWay())
	if err != nil || a.N < 0 {
		return err
	}
	if err := one.Send(a.Ctx, more); err != nil {
		return err
	}
	v, err := other.Recv(a.Ctx)
	if err == nil && v != more {
		err = fmt.Errorf("received %d", v)
	}
	return errors.Join(err, one.Close(), other.Close())
}

// checkNew looks whether the victim's pipe is there, which goes with it.
func checkNew(a *crashlab.Actor) (string, error) {
	state := "absent"
	err := a.Segment.Engine().Objects(func(o segment.Object, _ string) bool {
		info, err := queue.InspectPipe(o)
		if err == nil && info.(queue.PipeInfo).Ends[0].Handles > 0 {
			state = "there"
		}
		return true
	})
	if err != nil {
		return "", err
	}
	return state, a.Segment.Check()
}

// sharing are the cases of what becomes of handles.
func sharing() []crashlab.Case {
	end := func() crashlab.Play {
		w := &wire{}
		return crashlab.Play{
			Setup: w.setup, Open: w.open, Recover: w.recover,
			Victim: func(*crashlab.Actor) error { _, err := w.a.End(); return err },
			Check: func(a *crashlab.Actor) (string, error) {
				info, err := found(a)
				if err != nil {
					return "", err
				}
				q, err := queue.Open[queue.End](a.Segment, sides[0])
				if err != nil {
					return "", err
				}
				if info.Ends[0].Passing == q.Len()+1 { // and the spare one
					return "none", nil
				}
				return "one", nil
			},
		}
	}
	from := func() crashlab.Play {
		w := &wire{}
		spare := func(a *crashlab.Actor) error {
			q, err := queue.Open[queue.End](a.Segment, "spare")
			if err == nil {
				w.spare, err = q.Get(a.Ctx)
			}
			return err
		}
		return crashlab.Play{
			Setup: w.setup, Open: w.open, Recover: w.recover, Ready: spare,
			Victim: func(a *crashlab.Actor) error {
				_, err := queue.PipeFrom[string, string](a.Segment, w.spare)
				return err
			},
			Check: func(a *crashlab.Actor) (string, error) {
				if err := spare(a); err != nil {
					return "", err
				}
				p, err := queue.PipeFrom[string, string](a.Segment, w.spare)
				if errors.Is(err, shm.ErrStale) {
					return "taken", nil
				}
				if err != nil {
					return "", err
				}
				return "on its way", p.Send(a.Ctx, inTexts.Of(more))
			},
		}
	}
	closing := func() crashlab.Play {
		w := &wire{only: true}
		var over error
		drain := func(a *crashlab.Actor) error {
			for over == nil {
				v, err := w.a.Recv(a.Ctx)
				if err == nil {
					_, err = inTexts.Tell(v)
				} else if err == io.EOF {
					over = err
					return nil
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		return crashlab.Play{
			Setup: w.setup, Open: w.open,
			Wait:   drain,
			Victim: func(*crashlab.Actor) error { return w.b.Close() },
			Recover: func(a *crashlab.Actor) error {
				if a.Paused {
					return nil
				}
				if err := drain(a); err != nil {
					return err
				}
				if err := w.a.Send(a.Ctx, inTexts.Of(9)); !errors.Is(err, io.ErrClosedPipe) {
					return fmt.Errorf("sent to nobody: %w", err)
				}
				return nil
			},
			Check: func(a *crashlab.Actor) (string, error) { return "ended", nil },
		}
	}
	storm := func() crashlab.Play {
		w := &wire{}
		return crashlab.Play{
			Setup: w.setup, Open: w.open, Recover: w.calm, Storm: w.storm, Check: w.judge(nil),
			Victim: func(*crashlab.Actor) error { w.a.SetPolicy(queue.Park); w.a.Cap(); _, err := w.b.Ready(); return err },
		}
	}
	return []crashlab.Case{
		{Name: "queue.Pipe.End", Covers: []string{"queue.Pipe.End"}, States: []string{"none", "one"}, Play: end},
		{Name: "queue.PipeFrom", Covers: []string{"queue.PipeFrom"}, States: []string{"on its way", "taken"}, Play: from},
		{Name: "queue.Pipe.Close", Covers: []string{"queue.Pipe.Close"}, States: []string{"ended"}, Play: closing},
		{Name: "queue.Pipe.Ready", Covers: []string{"queue.Pipe.Ready", "queue.Pipe.SetPolicy", "queue.Pipe.Cap"}, Play: storm},
	}
}

// found is what an observer sees of the pipe.
func found(a *crashlab.Actor) (info queue.PipeInfo, err error) {
	err = a.Segment.Engine().Objects(func(o segment.Object, _ string) bool {
		if i, err := queue.InspectPipe(o); err == nil {
			info = i.(queue.PipeInfo)
		}
		return true
	})
	return info, err
}
