package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// A stage is what side A has where the sides meet outside of what is measured: the pair, the arena, and whose turn it is.
type stage struct {
	*pair
	arena *arena
	turns *turns
}

// newStage makes the stage, with room for size bytes of objects, its own among them.
func newStage(j Job, size int64) (*stage, error) {
	p, err := newPair(j, size)
	if err != nil {
		return nil, err
	}
	a, err := newArena(p.seg)
	if err != nil {
		return nil, err
	}
	t, err := newTurns(p.seg)
	return &stage{p, a, t}, err
}

// meet starts the peer and waits until it gives the first turn.
func (s *stage) meet(ctx context.Context, peer *proc.Function[Job]) error {
	if err := s.start(ctx, peer); err != nil {
		return err
	}
	return s.turns.await(ctx)
}

// adds measures additions to a counter, each under what excludes others: the peer, that has it, proves that it does, and then
// is idle until the end.
func (s *stage) adds(ctx context.Context, peer *proc.Function[Job], try func() (bool, error), add func(counter *uint64, n uint64) error) (float64, error) {
	if err := s.meet(ctx, peer); err != nil {
		return 0, err
	}
	if got, err := try(); got || err != nil {
		return 0, fmt.Errorf("what is measured is not shared: got it %v while the peer has it: %w", got, err)
	}
	if err := s.turns.pass(ctx); err != nil {
		return 0, err
	}
	j := s.job
	v, err := pinned(j.A, func() (float64, error) {
		counter := new(j.Salt)
		if err := add(counter, j.Warm); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := add(counter, j.N)
		elapsed := time.Since(begin)
		expect(*counter, j.PeerSalt+j.Warm+j.N, "holder")
		return j.per(elapsed), err
	})
	return v, s.finish(ctx, errors.Join(err, s.turns.give()))
}

// openStage is what side B finds in the pair's segment: the arena, and whose turn it is.
func openStage(ctx context.Context) (*shm.Segment, *arena, *turns, error) {
	seg, err := attached(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	a, err := openArena(seg)
	if err != nil {
		return nil, nil, nil, err
	}
	t, err := openTurns(seg)
	return seg, a, t, err
}
