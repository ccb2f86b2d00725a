package pool

import "context"

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
		c := s.child
		outbox := c.state.outbox[:s.most]
		for s.at < s.end && s.err == nil && s.row {
			if len(outbox)-s.used < out {
				s.flush(ctx)
				continue
			}
			if s.withdrawn(ctx) {
				return
			}
			v, err := t.in.Get(s.inputs[s.from:])
			s.from += in
			if err != nil {
				s.made(ctx, []byte(err.Error()), outcomeUndecodable)
				return
			}
			under := c.contexts.of(s.at, s.when)
			s.under = under
			result, err := run(under, v)
			c.cancels.endOf(under)
			if err != nil {
				payload, outcome := tell(nil, err)
				s.made(ctx, payload, outcome)
				return
			}
			t.out.Put(outbox[s.used:], result)
			s.put(out)
		}
	}
}
