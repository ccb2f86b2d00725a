package pool

import (
	"fmt"
	"slices"
)

// inputs are a load of a mapping: some of its inputs, and their results.
type inputs[In, Out any] struct {
	m    *mapping[In, Out]
	at   uint64 // position of the first
	in   []In
	out  []Out
	errs []error // nil: there are none
	part bool    // it shares its memory with others
}

func (w *inputs[In, Out]) encode(dst []byte, i int, limit uint64) ([]byte, error) {
	t := w.m.task
	if t.err != nil {
		return dst, t.err
	}
	b, err := appended(t.in, dst, &w.in[i])
	if size := uint64(len(b) - len(dst)); err == nil && size > limit {
		err = fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	if err != nil {
		return dst, fmt.Errorf("pool: task %q: its input: %w", t.name, err)
	}
	return b, nil
}

func (w *inputs[In, Out]) row(dst []byte, i, most, n int) ([]byte, int) {
	size, _ := w.m.task.flat()
	if size == 0 || uint64(size) > w.m.pool.limit {
		return dst, 0
	}
	in := w.in[i:]
	in = in[:min(len(in), most, n/size)]
	return w.m.task.in.AppendRow(dst, in), len(in)
}

func (w *inputs[In, Out]) settleRow(i, n, size int, row []byte) {
	if _, out := w.m.task.flat(); out == size && w.m.task.out.DecodeRow(row, w.out[i:i+n]) == nil {
		return
	}
	for k := range n {
		w.settle(i+k, outcomeResult, row[k*size:(k+1)*size])
	}
}

func (w *inputs[In, Out]) input(i int) any { return w.in[i] }

func (w *inputs[In, Out]) settle(i int, outcome uint32, payload []byte) {
	if err := w.m.task.result(outcome, payload, &w.out[i]); err != nil {
		w.fail(i, err)
	}
}

func (w *inputs[In, Out]) fail(i int, err error) {
	if w.errs == nil {
		w.errs = make([]error, len(w.in))
	}
	w.errs[i] = err
}

func (w *inputs[In, Out]) split(i int) load {
	rest := &inputs[In, Out]{m: w.m, at: w.at + uint64(i), in: w.in[i:], out: w.out[i:], part: true}
	w.in, w.out, w.part = w.in[:i:i], w.out[:i:i], true
	if w.errs != nil {
		rest.errs = w.errs[i:]
		w.errs = w.errs[:i:i]
	}
	return rest
}

func (w *inputs[In, Out]) done() {
	if len(w.in) > 0 {
		w.m.deliver(w)
	}
}

func (w *inputs[In, Out]) give(i int, err error) {
	w.part = true
	other := *w
	if w.m.whole != nil { // MapSlice returns, and what it was given and has made is its caller's
		w.in, w.out = slices.Clone(w.in), slices.Clone(w.out)
	}
	other.errs = make([]error, len(w.in))
	copy(other.errs, w.errs)
	for ; i < len(w.in); i++ {
		other.errs[i] = err
	}
	w.m.deliver(&other)
}
