package pool

import (
	"context"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// Inputs of a flat type, those of which each is the same number of bytes, are a row in a request, and so are results in a reply: one behind the
// other, without frames, so that one copy moves them all.

// flat is how many bytes each value takes in a row, 0 if it stands in none.
func (t *Typed[In, Out]) flat() (in, out int) {
	if t.err != nil {
		return 0, 0
	}
	return t.in.Size(), t.out.Size()
}

// rows is what makes calls of s as a loop without an interface between, as long as nothing but results comes of them, both of whose types are
// flat. It is nil of others.
func (t *Typed[In, Out]) rows(run func(context.Context, In) (Out, error)) func(ctx context.Context, s *several) {
	in, out := t.flat()
	if in == 0 || out == 0 {
		return nil
	}
	return func(ctx context.Context, s *several) {
		for s.at < s.end && s.err == nil && s.row {
			n := int(min(uint64((s.most-s.used)/out), s.end-s.at))
			if n == 0 {
				s.flush(ctx)
				continue
			}
			inputs, ok := t.in.View(s.inputs[s.from:][:n*in])
			results, alike := t.out.View(s.child.state.outbox[s.used:][:n*out])
			if ok && alike {
				t.unchecked(ctx, s, run, inputs, results)
			} else {
				t.checked(ctx, s, run, n)
			}
		}
	}
}

// unchecked makes calls with inputs that are taken as they are, until something else than a result comes of one, or one is withdrawn. Nothing
// in its loop is called but the task, and what stands before the loop is not looked up for each.
func (t *Typed[In, Out]) unchecked(
	ctx context.Context, s *several, run func(context.Context, In) (Out, error), inputs []In, results []Out,
) {
	c, state, ended := s.child, s.child.state, &s.child.cancels.ended
	in, out, when := t.in.Size(), t.out.Size(), s.when
	made, another := s.results(), resultsOf(false, 1, out)
	results = results[:len(inputs)]
	for i := range inputs {
		if state.withdrawn.Load() >= s.at { // as in withdrawn
			s.withdraw(ctx)
			return
		}
		s.from += in
		under := c.contexts.places[s.at%contextsKept]
		if !under.fits(when) {
			under = c.contexts.another(s.at, when)
		}
		futex.Publish(&under.id, s.at)
		result, err := run(under, inputs[i])
		futex.Publish(ended, s.at)
		if under.made.Load() != nil {
			c.cancels.release(under)
		}
		if err != nil {
			s.failed(ctx, err)
			return
		}
		results[i] = result
		s.used += out
		s.at++
		made += another
		c.publish(&state.results, made) // as put does
	}
}

// checked makes n calls as unchecked does, with inputs that are checked, and results whose padding is zeroed.
func (t *Typed[In, Out]) checked(ctx context.Context, s *several, run func(context.Context, In) (Out, error), n int) {
	c := s.child
	for range n {
		if s.withdrawn(ctx) {
			return
		}
		v, err := t.in.Get(s.inputs[s.from:])
		s.from += t.in.Size()
		if err != nil {
			s.made(ctx, []byte(err.Error()), outcomeUndecodable)
			return
		}
		under := c.contexts.of(s.at, s.when)
		result, err := run(under, v)
		c.cancels.endOf(under)
		if err != nil {
			s.failed(ctx, err)
			return
		}
		t.out.Put(c.state.outbox[s.used:], result)
		s.put(t.out.Size())
	}
}
