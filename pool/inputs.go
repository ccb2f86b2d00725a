package pool

import (
	"fmt"
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
	b, err := appended(t.in, dst, w.in[i])
	if size := uint64(len(b) - len(dst)); err == nil && size > limit {
		err = fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	if err != nil {
		return dst, fmt.Errorf("pool: task %q: its input: %w", t.name, err)
	}
	return b, nil
}

func (w *inputs[In, Out]) frames(dst []byte, i, most, n int) ([]byte, int) {
	c := w.m.task.in
	if w.m.task.err != nil || !c.Plain() || uint64(c.Size()) > w.m.pool.limit {
		return dst, 0
	}
	in := w.in[i:]
	in = in[:min(len(in), most, n/(frameSize+c.Size()))]
	for k := range in {
		at := len(dst)
		b, err := c.Append(append(dst, 0, 0, 0, 0), in[k])
		if err != nil {
			return dst, k
		}
		putFrame(b[at:], 0)
		dst = b
	}
	return dst, len(in)
}

func (w *inputs[In, Out]) settleRow(i, n int, row []byte) (rest []byte, done int) {
	c := w.m.task.out
	if w.m.task.err != nil || !c.Plain() {
		return row, 0
	}
	out := w.out[i : i+n]
	for k := range out {
		b, outcome, rest, err := nextFrame(row)
		if err != nil || outcome != outcomeResult || c.Decode(b, &out[k]) != nil {
			return row, k
		}
		row = rest
	}
	return row, n
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
	other.errs = make([]error, len(w.in))
	copy(other.errs, w.errs)
	for ; i < len(w.in); i++ {
		other.errs[i] = err
	}
	w.m.deliver(&other)
}
