package sync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/sync"
)

// adder counts up, under the lock, with plain loads and stores.
var adder = actor("adder", func(ctx context.Context, s stage, p props) error {
	if err := p.ready.Release(1); err != nil {
		return err
	}
	if err := p.proceed.Acquire(ctx, 1); err != nil {
		return err
	}
	for i := range s.Rounds {
		if err := p.mu.Lock(ctx); err != nil {
			return err
		}
		v := p.counts[0]
		if i%64 == 0 {
			runtime.Gosched()
		}
		p.counts[0] = v + 1
		if err := p.mu.Unlock(); err != nil {
			return err
		}
	}
	return nil
})

func TestProcessesExcludeEachOther(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	s.Rounds = 3000
	const processes = 4
	var children []*proc.Process
	for range processes {
		children = append(children, start(t, adder, s, p))
	}
	require.NoError(t, p.ready.Acquire(ctx, processes))
	require.NoError(t, p.proceed.Release(processes))
	for _, c := range children {
		require.NoError(t, c.Wait(ctx))
	}
	require.EqualValues(t, processes*s.Rounds, p.counts[0])
}

func TestProcessesExcludeEachOtherWithOneProcessorEach(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	s.Rounds = 1000
	var children []*proc.Process
	for range 3 {
		children = append(children, start(t, adder, s, p, proc.GOMAXPROCS(1)))
	}
	require.NoError(t, p.proceed.Release(3))
	for _, c := range children {
		require.NoError(t, c.Wait(ctx))
	}
	require.EqualValues(t, 3*s.Rounds, p.counts[0])
}

// holder takes the lock, says so, and keeps it until it may go on.
var holder = actor("holder", func(ctx context.Context, s stage, p props) error {
	err := p.mu.Lock(ctx)
	if err != nil && !errors.Is(err, sync.ErrOwnerDied) {
		return err
	}
	if err := p.ready.Release(1); err != nil {
		return err
	}
	if err := p.proceed.Acquire(ctx, 1); err != nil {
		return err
	}
	return p.mu.Unlock()
})

// blocked starts a Lock and reports what became of it.
func blocked(ctx context.Context, m *sync.Mutex) <-chan error {
	result := make(chan error, 1)
	go func() { result <- m.Lock(ctx) }()
	return result
}

// asleep returns when somebody sleeps on the lock, or is about to.
func asleep(t *testing.T, m *sync.Mutex) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !m.Waited(); runtime.Gosched() {
		require.True(t, time.Now().Before(deadline))
	}
}

func TestLockIsRecoveredWhenHolderIsKilled(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	for range 5 {
		child := start(t, holder, s, p)
		require.NoError(t, p.ready.Acquire(ctx, 1))
		got, err := p.mu.TryLock()
		require.NoError(t, err)
		require.False(t, got)
		result := blocked(ctx, p.mu)
		asleep(t, p.mu)
		killed := time.Now()
		require.NoError(t, child.Kill())
		require.ErrorIs(t, <-result, sync.ErrOwnerDied)
		t.Logf("%v from the kill to the lock", time.Since(killed))
		require.Less(t, time.Since(killed), 20*time.Second)
		require.NoError(t, p.mu.MarkConsistent())
		require.NoError(t, p.mu.Unlock())
	}
}

func TestLockIsRecoveredByWhoComesAfterTheDeath(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	child := start(t, holder, s, p)
	require.NoError(t, p.ready.Acquire(ctx, 1))
	kill(t, child)
	got, err := p.mu.TryLock()
	require.ErrorIs(t, err, sync.ErrOwnerDied)
	require.True(t, got, "once the child is reaped its death is proven")
}

// MP-081, with what Kindred adds: an exit is a death as any other.
func TestLockIsRecoveredWhenHolderExits(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	child := start(t, leaver, s, p)
	require.NoError(t, child.Wait(ctx))
	owner, held := p.mu.Owner()
	require.True(t, held, "nobody has looked yet")
	require.Equal(t, child.Pid(), owner.Pid)
	require.ErrorIs(t, p.mu.Lock(ctx), sync.ErrOwnerDied)
}

var leaver = actor("leaver", func(ctx context.Context, s stage, p props) error {
	return p.mu.Lock(ctx)
})

// executor becomes another program while it holds the lock.
var executor = actor("executor", func(ctx context.Context, s stage, p props) error {
	if err := p.mu.Lock(ctx); err != nil {
		return err
	}
	return unix.Exec("/bin/sleep", []string{"sleep", "600"}, os.Environ())
})

// An exec takes a process's memory away, and with it the lock's holder, while the process lives on and
// its pidfd stays silent.
func TestLockIsRecoveredWhenHolderExecutesAnotherProgram(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	start(t, executor, s, p)
	for {
		if _, held := p.mu.Owner(); held {
			break
		}
		runtime.Gosched()
	}
	require.ErrorIs(t, p.mu.Lock(ctx), sync.ErrOwnerDied)
}

func TestAStoppedHolderKeepsTheLock(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	child := start(t, holder, s, p)
	require.NoError(t, p.ready.Acquire(ctx, 1))
	require.NoError(t, proctest.Stop(child.Pid()))

	// Longer than the safety net, which looks at the holder as well.
	short, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.mu.Lock(short), context.DeadlineExceeded)
	got, err := p.mu.TryLock()
	require.NoError(t, err)
	require.False(t, got)
	err = p.mu.Unlock()
	require.ErrorIs(t, err, sync.ErrNotHeld)
	require.ErrorContains(t, err, fmt.Sprintf("process %d (%s)", child.Pid(), child.Name()))

	result := blocked(ctx, p.mu)
	require.NoError(t, p.proceed.Release(1))
	require.NoError(t, child.Signal(unix.SIGCONT))
	require.NoError(t, <-result)
	require.NoError(t, child.Wait(ctx), "the holder unlocked what it held")
}

func TestAStoppedHolderThatIsKilledIsDead(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	child := start(t, holder, s, p)
	require.NoError(t, p.ready.Acquire(ctx, 1))
	require.NoError(t, proctest.Stop(child.Pid()))
	result := blocked(ctx, p.mu)
	asleep(t, p.mu)
	require.NoError(t, child.Kill())
	require.ErrorIs(t, <-result, sync.ErrOwnerDied)
}

func TestASecondDeathBeforeTheRepair(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	for range 3 { // each inherits from the one before it
		child := start(t, holder, s, p)
		require.NoError(t, p.ready.Acquire(ctx, 1))
		kill(t, child)
	}
	require.ErrorIs(t, p.mu.Lock(ctx), sync.ErrOwnerDied)
	require.NoError(t, p.mu.MarkConsistent())
	require.NoError(t, p.mu.Unlock())

	child := start(t, holder, s, p)
	require.NoError(t, p.ready.Acquire(ctx, 1))
	kill(t, child)
	// This one inherits and unlocks without a word.
	child = start(t, holder, s, p)
	require.NoError(t, p.ready.Acquire(ctx, 1))
	result := blocked(ctx, p.mu)
	asleep(t, p.mu)
	require.NoError(t, p.proceed.Release(1))
	require.NoError(t, child.Wait(ctx))
	require.ErrorIs(t, <-result, sync.ErrNotRecoverable)
	require.ErrorIs(t, p.mu.Lock(ctx), sync.ErrNotRecoverable)
}

// waiter says that it will lock, locks, says that it has, and unlocks.
var waiter = actor("waiter", func(ctx context.Context, s stage, p props) error {
	if err := p.ready.Release(1); err != nil {
		return err
	}
	if err := p.mu.Lock(ctx); err != nil {
		return err
	}
	p.counts[0]++
	if err := p.mu.Unlock(); err != nil {
		return err
	}
	return p.ready.Release(1)
})

// The wake of an unlock goes to one waiter. If that one is stopped, or dies, before it takes the lock,
// the others must not sleep on.
func TestAWakeGivenToWhoIsStoppedIsNotLostToTheOthers(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	require.NoError(t, p.mu.Lock(ctx))
	first := start(t, waiter, s, p)
	require.NoError(t, p.ready.Acquire(ctx, 1))
	asleep(t, p.mu)
	require.NoError(t, proctest.Stop(first.Pid()))
	second := start(t, waiter, s, p)
	require.NoError(t, p.ready.Acquire(ctx, 1))
	require.NoError(t, p.mu.Unlock())
	require.NoError(t, second.Wait(ctx))
	require.EqualValues(t, 1, p.counts[0])
	require.NoError(t, first.Signal(unix.SIGCONT))
	require.NoError(t, first.Wait(ctx))
	require.EqualValues(t, 2, p.counts[0])
}

func TestAKilledWaiterTakesNoWakeAlong(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	for range 5 {
		require.NoError(t, p.mu.Lock(ctx))
		victim := start(t, waiter, s, p)
		others := []*proc.Process{start(t, waiter, s, p), start(t, waiter, s, p)}
		require.NoError(t, p.ready.Acquire(ctx, 3))
		asleep(t, p.mu)
		done := make(chan error)
		go func() { done <- victim.Kill() }() // before, during or after the unlock
		require.NoError(t, p.mu.Unlock())
		if err := <-done; err != nil {
			require.ErrorIs(t, err, os.ErrProcessDone, "it was quicker")
		}
		for _, o := range others {
			err := o.Wait(ctx)
			var exit *proc.ExitError
			if errors.As(err, &exit) { // it was the one to inherit
				require.Contains(t, exit.Text, sync.ErrOwnerDied.Error())
				err = nil
			}
			require.NoError(t, err)
		}
		if err := p.mu.Lock(ctx); err != nil {
			require.ErrorIs(t, err, sync.ErrOwnerDied)
			require.NoError(t, p.mu.MarkConsistent())
		}
		require.NoError(t, p.mu.Unlock())
		<-victim.Done()
		for got := true; got; {
			var err error
			got, err = p.ready.TryAcquire(1)
			require.NoError(t, err)
		}
	}
}

// pair keeps two counters equal, under the lock, for ever.
var pair = actor("pair", func(ctx context.Context, s stage, p props) error {
	if err := p.ready.Release(1); err != nil {
		return err
	}
	for {
		err := p.mu.Lock(ctx)
		if errors.Is(err, sync.ErrOwnerDied) {
			p.counts[1] = p.counts[0]
			err = p.mu.MarkConsistent()
		}
		if err != nil {
			return err
		}
		if p.counts[0] != p.counts[1] {
			return fmt.Errorf("unequal without a word: %d, %d", p.counts[0], p.counts[1])
		}
		p.counts[0]++
		p.counts[1]++
		if err := p.mu.Unlock(); err != nil {
			return err
		}
	}
})

func TestNoKillAtAnyMomentKeepsTheLockOrHidesTheDamage(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 15 {
		victim, survivor := start(t, pair, s, p), start(t, pair, s, p)
		require.NoError(t, p.ready.Acquire(ctx, 2))
		for range rnd.IntN(20000) {
			runtime.Gosched()
		}
		kill(t, victim)
		// The survivor works on.
		before, err := locked(ctx, p)
		require.NoError(t, err)
		for now := before; now == before; {
			now, err = locked(ctx, p)
			require.NoError(t, err)
		}
		require.True(t, survivor.Alive())
		kill(t, survivor)
	}
	_, err := locked(ctx, p)
	require.NoError(t, err)
}

// locked looks at the counter under the lock.
func locked(ctx context.Context, p props) (int64, error) {
	err := p.mu.Lock(ctx)
	if errors.Is(err, sync.ErrOwnerDied) {
		p.counts[1] = p.counts[0]
		err = p.mu.MarkConsistent()
	}
	if err != nil {
		return 0, err
	}
	if p.counts[0] != p.counts[1] {
		return 0, fmt.Errorf("unequal without a word: %d, %d", p.counts[0], p.counts[1])
	}
	v := p.counts[0]
	return v, p.mu.Unlock()
}

// taker takes three permits, gives one back, and stays.
var taker = actor("taker", func(ctx context.Context, s stage, p props) error {
	if err := p.proceed.Acquire(ctx, 3); err != nil {
		return err
	}
	if err := p.proceed.Release(1); err != nil {
		return err
	}
	if err := p.ready.Release(1); err != nil {
		return err
	}
	return p.ready.Acquire(ctx, 100)
})

func TestPermitsTravelBetweenProcessesAndBelongToNobody(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	child := start(t, taker, s, p)
	for range 3 { // a child that waits is woken by each, and takes when there are enough
		require.NoError(t, p.proceed.Release(1))
	}
	require.NoError(t, p.ready.Acquire(ctx, 1))
	require.EqualValues(t, 1, p.proceed.Value())
	kill(t, child)
	short, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.proceed.Acquire(short, 2), context.DeadlineExceeded, "a dead process's permits are not given back")
	require.NoError(t, p.proceed.Acquire(ctx, 1))
}

func TestAKilledWaiterForPermitsDisturbsNobody(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	victim, other := start(t, taker, s, p), start(t, taker, s, p)
	kill(t, victim)
	require.NoError(t, p.proceed.Release(3))
	require.NoError(t, p.ready.Acquire(ctx, 1))
	require.True(t, other.Alive())
	require.EqualValues(t, 1, p.proceed.Value())
}
