package pool

import (
	"context"
	"sync"
)

// whole is what a MapSlice has in place of a ring of inputs, and of results that are ready: both are in their places from the beginning to the end.
// Under the mapping's mu.
type whole[In, Out any] struct {
	in    []In
	out   []Out
	first *InputError // nil: none has an error, of those that are done
}

// part are the next n inputs, and where their results go. The mapping's mu is held.
func (a *whole[In, Out]) part(m *mapping[In, Out], n int) *inputs[In, Out] {
	from := m.taken
	to := from + uint64(n)
	return &inputs[In, Out]{m: m, at: from, in: a.in[from:to:to], out: a.out[from:to:to], part: true}
}

// note takes note of the errors of w, which is done. The mapping's mu is held.
func (a *whole[In, Out]) note(w *inputs[In, Out]) {
	for i, err := range w.errs {
		if index := int(w.at) + i; err != nil && (a.first == nil || index < a.first.Index) {
			a.first = &InputError{index, err}
			return
		}
	}
}

// runSlice returns the results of the inputs.
func (m *mapping[In, Out]) runSlice(in []In) ([]Out, error) {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	m.ctx = ctx
	m.whole = &whole[In, Out]{in: in, out: make([]Out, len(in))}
	m.pushed.Store(uint64(len(in)))
	m.hungry = true
	var drivers sync.WaitGroup
	m.closed = true
	for range min(m.width, len(in)) {
		drivers.Go(m.drive)
	}
	m.end(&drivers)
	if m.whole.first != nil {
		return m.whole.out, m.whole.first
	}
	return m.whole.out, nil
}
