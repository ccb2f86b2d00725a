package pool

import (
	"context"
	"fmt"
	"iter"
)

// AsCompleted yields each of the futures once, in the order in which they are done, those that are done
// already first. If ctx ends before all are done, it yields nil and an error that says how many are not,
// and in which errors.Is finds the context's.
//
//	for f, err := range pool.AsCompleted(ctx, fs...) {
//		if err != nil {
//			return err
//		}
//		out, err := f.Result()
//		...
//	}
func AsCompleted[Out any](ctx context.Context, fs ...*Future[Out]) iter.Seq2[*Future[Out], error] {
	return func(yield func(*Future[Out], error) bool) {
		all := distinct(fs)
		done := make(chan *Future[Out], len(all))
		for _, f := range all {
			f.tell(done)
		}
		defer func() {
			for _, f := range all {
				f.forget(done)
			}
		}()
		for n := range all {
			f, err := receive(ctx, done)
			if err != nil {
				yield(nil, fmt.Errorf("pool: %d of %d futures are not done: %w", len(all)-n, len(all), err))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// receive takes what is in c, or waits for it.
func receive[T any](ctx context.Context, c <-chan T) (v T, err error) {
	select {
	case v = <-c:
		return v, nil
	default:
	}
	if err := ctx.Err(); err != nil {
		return v, err
	}
	select {
	case v = <-c:
		return v, nil
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// distinct are the futures without those that come again.
func distinct[Out any](fs []*Future[Out]) []*Future[Out] {
	seen := make(map[*Future[Out]]bool, len(fs))
	all := make([]*Future[Out], 0, len(fs))
	for _, f := range fs {
		if !seen[f] {
			seen[f] = true
			all = append(all, f)
		}
	}
	return all
}

// WaitAll waits until all futures are done, whatever becomes of them, and returns their results in their
// order, and the error of the first in this order that has one. If ctx ends before, it returns an error as
// AsCompleted does; the futures go on.
func WaitAll[Out any](ctx context.Context, fs ...*Future[Out]) ([]Out, error) {
	for _, err := range AsCompleted(ctx, fs...) {
		if err != nil {
			return nil, err
		}
	}
	outs := make([]Out, len(fs))
	var first error
	for i, f := range fs {
		var err error
		if outs[i], err = f.Result(); first == nil {
			first = err
		}
	}
	return outs, first
}

// WaitFirst waits until one of the futures is done, and returns it; nil if there are none.
func WaitFirst[Out any](ctx context.Context, fs ...*Future[Out]) (*Future[Out], error) {
	for f, err := range AsCompleted(ctx, fs...) {
		return f, err
	}
	return nil, nil
}

// WaitSucceeded waits until all futures have succeeded, and returns their results in their order. As soon
// as one has an error, or ctx ends, it cancels the others and returns that error: the habit of errgroup.
func WaitSucceeded[Out any](ctx context.Context, fs ...*Future[Out]) ([]Out, error) {
	for f, err := range AsCompleted(ctx, fs...) {
		if err == nil {
			_, err = f.Result()
		}
		if err != nil {
			CancelAll(fs...)
			return nil, err
		}
	}
	return WaitAll(ctx, fs...)
}

// CancelAll cancels each of the futures that is not done.
func CancelAll[Out any](fs ...*Future[Out]) {
	for _, f := range fs {
		f.Cancel()
	}
}
