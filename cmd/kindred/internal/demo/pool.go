package demo

import (
	"context"
	"iter"
	"os"

	"github.com/kindred-ipc/kindred/pool"
)

// countTask is what the workers do.
var countTask = pool.Task("kindred/demo/count", func(ctx context.Context, j job) (packed, error) {
	return j.do(ctx, os.Getpid())
})

// poolCrew is a crew of real processes.
type poolCrew struct{ *pool.Pool }

func hirePool(ctx context.Context, n, retries int, d *diary) (crew, error) {
	p, err := pool.New(ctx, pool.Workers(n), pool.Retry(retries), pool.OnEvent(d.add))
	if err != nil {
		return nil, err
	}
	return poolCrew{p}, nil
}

// Close waits for the end of the workers: they have nothing to do by then.
func (c poolCrew) Close() error { return c.Shutdown(context.Background()) }

func (c poolCrew) Count(ctx context.Context, jobs iter.Seq[job]) iter.Seq2[packed, error] {
	return countTask.Map(ctx, c.Pool, jobs)
}
