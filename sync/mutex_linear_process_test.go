package sync_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// guarded is a Mutex and the plain word that it guards.
type guarded struct{ Mutex, Register shm.Ref }

const (
	lock linear.Kind = iota + 1
	tryLock
	unlock
	markConsistent
	read
	write
)

// guardedState is a Mutex and its register, in words. Clients are goroutines; a process holds the
// lock, but here the goroutine that took it is the one that gives it up.
type guardedState struct {
	held    bool
	holder  int // client
	process int // of the holder
	dead    bool
	suspect bool // the holder got it from a dead one, and has not repaired it
	lost    bool // not recoverable
	value   uint64
}

var guardedModel = linear.Model[guardedState]{
	Kinds: []string{"", "lock", "try lock", "unlock", "mark consistent", "read", "write"},
	Step: func(s guardedState, op linear.Op) []guardedState {
		cut := op.Fate != linear.Returned
		mine := s.held && !s.dead && s.holder == op.Client
		switch op.Kind {
		case lock, tryLock:
			return lockStep(s, op, cut)
		case unlock:
			if mine && (cut || op.Code == linear.OK) {
				return []guardedState{{lost: s.suspect, value: s.value}}
			}
		case markConsistent:
			if mine && s.suspect && (cut || op.Code == linear.OK) {
				s.suspect = false
				return []guardedState{s}
			}
		case read:
			if mine && (cut || op.Outs[0] == s.value) {
				return []guardedState{s}
			}
		case write:
			if mine {
				s.value = op.Args[0]
				return []guardedState{s}
			}
		}
		return nil
	},
	Die: func(s guardedState, process int) guardedState {
		s.dead = s.dead || s.held && s.process == process
		return s
	},
}

// lockStep leaves two things open. A Lock whose context is over may say so instead of taking the lock
// from a dead holder, or reporting that it is lost; but not if it is free. And the lock of a dead holder
// may look as if it were held, for as long as somebody sweeps what that one left: nobody can tell the
// lock of a sweeper from that of the owner.
func lockStep(s guardedState, op linear.Op, cut bool) []guardedState {
	taken := guardedState{held: true, holder: op.Client, process: op.Process, value: s.value}
	inherited := taken
	inherited.suspect = true
	switch {
	case s.lost:
		if !cut && (op.Code == linear.NotRecoverable || op.Code == linear.TimedOut) {
			return []guardedState{s}
		}
	case !s.held:
		if cut || op.Code == linear.OK {
			return []guardedState{taken}
		}
	case s.dead && (cut || op.Code == linear.OwnerDied):
		return []guardedState{inherited}
	case !cut && (op.Code == linear.Refused || op.Code == linear.TimedOut):
		return []guardedState{s}
	}
	return nil
}

// changer changes the register, again and again, under the lock.
var changer = linear.Func("changer", func(ctx context.Context, c *linear.Client, seg *shm.Segment, g guarded) error {
	mu, err := sync.MutexFrom(seg, g.Mutex)
	if err != nil {
		return err
	}
	o, err := seg.Engine().Resolve(g.Register, segment.KindRaw, 0)
	if err != nil {
		return err
	}
	register := wordIn(o)
	for c.More() {
		code, err := lockSomehow(ctx, c, mu)
		if err != nil {
			return err
		}
		if code == linear.OK || code == linear.OwnerDied {
			if err := change(c, mu, register, code == linear.OwnerDied); err != nil {
				return err
			}
		}
		c.Pause()
	}
	return nil
})

func lockSomehow(ctx context.Context, c *linear.Client, mu *sync.Mutex) (linear.Code, error) {
	if !c.Waits() {
		c.Invoke(tryLock)
		got, err := mu.TryLock()
		return noteTry(c, got, err)
	}
	ctx, cancel := c.Patience(ctx)
	defer cancel()
	c.Invoke(lock)
	return note(c, mu.Lock(ctx))
}

// change is what the holder does.
func change(c *linear.Client, mu *sync.Mutex, register *uint64, suspect bool) error {
	if c.Rand.IntN(8) == 0 {
		c.Pause()
	}
	c.Invoke(read)
	v := *register
	c.Return(linear.OK, v)
	v = c.Unique()
	c.Invoke(write, v)
	*register = v
	c.Return(linear.OK)
	if suspect && c.Rand.IntN(8) > 0 { // else nobody ever gets it again
		c.Invoke(markConsistent)
		if _, err := note(c, mu.MarkConsistent()); err != nil {
			return err
		}
	}
	c.Invoke(unlock)
	_, err := note(c, mu.Unlock())
	return err
}

func TestMutexIsLinearizableWhileItsHoldersAreKilled(t *testing.T) {
	linear.Subject[guarded, guardedState]{
		Run: changer, Processes: 4, Clients: 2, Kills: 3,
		New: func(seg *shm.Segment, _ *rand.Rand) (guarded, linear.Model[guardedState], error) {
			mu, err := sync.NewMutex(seg)
			if err != nil {
				return guarded{}, guardedModel, err
			}
			o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 8})
			return guarded{Mutex: mu.Ref(), Register: o.Ref()}, guardedModel, err
		},
		Finish: func(ctx context.Context, c *linear.Client, seg *shm.Segment, g guarded) error {
			mu, err := sync.MutexFrom(seg, g.Mutex)
			if err != nil {
				return err
			}
			o, err := seg.Engine().Resolve(g.Register, segment.KindRaw, 0)
			if err != nil {
				return err
			}
			c.Invoke(lock)
			code, err := note(c, mu.Lock(ctx))
			if err != nil || code == linear.NotRecoverable {
				return err
			}
			return change(c, mu, wordIn(o), code == linear.OwnerDied)
		},
	}.Verify(t)
}
