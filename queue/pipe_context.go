package queue

import (
	"context"
	"time"
)

// both is the context of a call that ends with either of two. Its channel is made when somebody asks for it: a call that polls, and
// does not sleep, has none.
type both struct {
	ctx, life context.Context
	merged    context.Context
	cancel    context.CancelFunc
	stop      func() bool
}

// either is a context for one goroutine, which releases it.
func either(ctx, life context.Context) *both { return &both{ctx: ctx, life: life} }

func (b *both) Deadline() (time.Time, bool) { return b.ctx.Deadline() }

func (b *both) Err() error {
	if err := b.life.Err(); err != nil {
		return err
	}
	return b.ctx.Err()
}

func (b *both) join() context.Context {
	if b.merged == nil {
		b.merged, b.cancel = context.WithCancel(b.ctx)
		b.stop = context.AfterFunc(b.life, b.cancel)
	}
	return b.merged
}

func (b *both) Done() <-chan struct{} { return b.join().Done() }

func (b *both) Value(key any) any { return b.join().Value(key) }

func (b *both) release() {
	if b.merged != nil {
		b.stop()
		b.cancel()
	}
}
