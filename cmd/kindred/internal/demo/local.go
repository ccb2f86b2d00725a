package demo

import (
	"context"
	"sync"
	"sync/atomic"
)

// countLocally is the same work as fanOut's, by n goroutines of this process, as a Go program would do it that
// has no need of processes: each goroutine takes the next file and counts into a tally of its own, and the tallies
// are merged at the end. It calls counted after each file, from any of the goroutines.
//
// It returns when all its goroutines have ended. The error is the first in reading a file, or the context's.
func countLocally(ctx context.Context, files []string, n int, counted func()) (*tally, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var next atomic.Int64
	var wg sync.WaitGroup
	parts := make([]*tally, n)
	for i := range parts {
		parts[i] = newTally()
		wg.Go(func() {
			for ctx.Err() == nil {
				k := next.Add(1) - 1
				if k >= int64(len(files)) {
					return
				}
				if err := parts[i].count(files[k]); err != nil {
					stop(err)
					return
				}
				counted()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}

	whole := parts[0]
	for _, part := range parts[1:] {
		whole.merge(part)
	}
	return whole, nil
}
