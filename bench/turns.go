package main

import (
	"context"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// Turns let two sides meet outside of what is measured: each waits for the other's permit, asleep.
type turns struct{ mine, other *sync.Semaphore }

// newTurns makes the turns of side A.
func newTurns(seg *shm.Segment) (*turns, error) {
	a, err := sync.NewSemaphore(seg, 0, shm.Named("turn of A"))
	if err != nil {
		return nil, err
	}
	b, err := sync.NewSemaphore(seg, 0, shm.Named("turn of B"))
	return &turns{mine: a, other: b}, err
}

// openTurns finds the turns of side B.
func openTurns(seg *shm.Segment) (*turns, error) {
	a, err := sync.OpenSemaphore(seg, "turn of A")
	if err != nil {
		return nil, err
	}
	b, err := sync.OpenSemaphore(seg, "turn of B")
	return &turns{mine: b, other: a}, err
}

func (t *turns) await(ctx context.Context) error { return t.mine.Acquire(ctx, 1) }

func (t *turns) give() error { return t.other.Release(1) }

// pass lets the other side go on and waits for its answer.
func (t *turns) pass(ctx context.Context) error {
	if err := t.give(); err != nil {
		return err
	}
	return t.await(ctx)
}
