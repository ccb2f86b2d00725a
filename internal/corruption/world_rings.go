package corruption

import (
	"context"
	"errors"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// fill writes to a ring of each kind.
func fill(ctx context.Context, seg *shm.Segment, values, records string) error {
	r, err := ring.OpenSPSC[uint64](seg, values)
	if err != nil {
		return err
	}
	w, err := r.Writer()
	if err != nil {
		return err
	}
	if _, err := w.PushN(ctx, []uint64{1, 2}); err != nil {
		return err
	}
	b, err := ring.OpenBytes(seg, records)
	if err != nil {
		return err
	}
	bw, err := b.Writer()
	if err != nil {
		return err
	}
	return errors.Join(put(ctx, bw, "one"), put(ctx, bw, "two"))
}

// tick takes both ends of Ticks: the slots have been used before.
func tick(ctx context.Context, seg *shm.Segment) error {
	r, err := ring.OpenSPSC[uint64](seg, Ticks)
	if err != nil {
		return err
	}
	w, err := r.Writer()
	if err != nil {
		return err
	}
	in, err := r.Reader()
	if err != nil {
		return err
	}
	for i := range uint64(9) {
		if err := w.Push(ctx, i); err != nil {
			return err
		}
		if i < 7 {
			if _, err := in.Pop(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// write takes both ends of Log, and moves its records to the end of the ring.
func write(ctx context.Context, seg *shm.Segment) error {
	b, err := ring.OpenBytes(seg, Log)
	if err != nil {
		return err
	}
	w, err := b.Writer()
	if err != nil {
		return err
	}
	in, err := b.Reader()
	if err != nil {
		return err
	}
	if err := put(ctx, w, string(make([]byte, longest-40))); err != nil {
		return err
	}
	if _, err := in.Peek(ctx); err != nil {
		return err
	}
	in.Release()
	for _, text := range Texts {
		if err := put(ctx, w, text); err != nil {
			return err
		}
	}
	return nil
}

func put(ctx context.Context, w *ring.BytesWriter, text string) error {
	b, err := w.Reserve(ctx, len(text))
	if err == nil {
		w.Commit(copy(b, text))
	}
	return err
}
