package ring_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// bulletin is a record that shows whether it is whole.
type bulletin struct {
	By, Number uint64
	Rest       [6]uint64
}

func bulletinOf(by, number uint64) bulletin {
	b := bulletin{By: by, Number: number}
	for i := range b.Rest {
		b.Rest[i] = (by<<32 + number) * (2*uint64(i) + 0x9e3779b97f4a7c15)
	}
	return b
}

// part is what a process of a test does with a Broadcast of bulletins.
type part struct {
	Ring     shm.Ref
	Here     shm.Ref // a Broadcast of uint64s: here it says that it is there
	By       uint64
	N        uint64 // records, 0: without end
	Blocking bool
	Pauses   bool
}

func (p part) open(ctx context.Context) (*ring.Broadcast[bulletin], error) {
	seg, err := proc.Segment(ctx, p.Ring)
	if err != nil {
		return nil, err
	}
	return ring.BroadcastFrom[bulletin](seg, p.Ring)
}

// present says so.
func (p part) present(ctx context.Context) error {
	if p.Here.IsZero() {
		return nil
	}
	seg, err := proc.Segment(ctx, p.Here)
	if err != nil {
		return err
	}
	b, err := ring.BroadcastFrom[uint64](seg, p.Here)
	if err != nil {
		return err
	}
	w, err := b.Writer()
	if err != nil {
		return err
	}
	return errors.Join(w.Push(ctx, p.By), w.Leave())
}

// announcer pushes N bulletins, one by one and by more. It says that it is present behind them, and waits to be
// killed.
var announcer = proc.Func("announcer", func(ctx context.Context, p part) error {
	b, err := p.open(ctx)
	if err != nil {
		return err
	}
	w, err := b.Writer()
	if err != nil {
		return err
	}
	k := task{Pauses: p.Pauses}
	for n := uint64(0); p.N == 0 || n < p.N; {
		k.pause()
		if rand.IntN(3) > 0 {
			if err := w.Push(ctx, bulletinOf(p.By, n)); err != nil {
				return err
			}
			n++
			continue
		}
		var some []bulletin
		for i := n; i < n+rand.Uint64N(20) && (p.N == 0 || i < p.N); i++ {
			some = append(some, bulletinOf(p.By, i))
		}
		if _, err := w.PushN(ctx, some); err != nil {
			return err
		}
		n += uint64(len(some))
	}
	if err := p.present(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
})

// reading is what a subscriber has seen.
type reading struct {
	next   map[uint64]uint64 // of each writer, the number that comes next
	seen   uint64
	missed uint64
}

// follow reads until the stream ends, and holds all that comes against what came before.
func follow(ctx context.Context, s *ring.Subscriber[bulletin], p part) (reading, error) {
	r := reading{next: make(map[uint64]uint64)}
	k := task{Pauses: p.Pauses}
	vs := make([]bulletin, 7)
	first := s.Sequence()
	for {
		k.pause()
		n, err := 0, error(nil)
		if rand.IntN(2) == 0 {
			if vs[0], err = s.Next(ctx); err == nil {
				n = 1
			}
		} else {
			n, err = s.NextN(ctx, vs)
		}
		var lapped *ring.Lapped
		switch {
		case errors.As(err, &lapped):
			if p.Blocking || lapped.Missed == 0 {
				return r, err
			}
			r.missed += lapped.Missed
		case errors.Is(err, ring.ErrClosed):
			return r, nil
		case err != nil:
			return r, err
		}
		for _, v := range vs[:n] {
			if v != bulletinOf(v.By, v.Number) {
				return r, fmt.Errorf("torn: %+v", v)
			}
			next, known := r.next[v.By]
			if v.Number < next || v.Number > next+r.missed && (known || first == 0) {
				return r, fmt.Errorf("number %d of %d, and the next is %d; %d were missed", v.Number, v.By, next, r.missed)
			}
			r.next[v.By] = v.Number + 1
		}
		r.seen += uint64(n)
		if first+r.seen+r.missed != s.Sequence() {
			return r, fmt.Errorf("%d seen and %d missed from %d on, and the next is %d", r.seen, r.missed, first, s.Sequence())
		}
	}
}

// follower subscribes, says that it is present, and reads until the stream ends.
var follower = proc.Func("follower", func(ctx context.Context, p part) error {
	b, err := p.open(ctx)
	if err != nil {
		return err
	}
	var opts []ring.EndOption
	if p.Blocking {
		opts = append(opts, ring.Blocking())
	}
	s, err := b.Subscribe(opts...)
	if err != nil {
		return err
	}
	if err := p.present(ctx); err != nil {
		return err
	}
	_, err = follow(ctx, s, p)
	return err
})

// studio is a Broadcast with a place where processes say that they are there.
type studio struct {
	t    *testing.T
	ctx  context.Context
	seg  *shm.Segment
	ring *ring.Broadcast[bulletin]
	here *ring.Broadcast[uint64]
	come *ring.Subscriber[uint64]
}

func newStudio(t *testing.T, capacity int) *studio {
	t.Helper()
	s := &studio{t: t, ctx: bounded(t), seg: segmentOf(t)}
	var err error
	s.ring, err = ring.NewBroadcast[bulletin](s.seg, capacity)
	require.NoError(t, err)
	s.here, err = ring.NewBroadcast[uint64](s.seg, 1024)
	require.NoError(t, err)
	s.come = subscriber(t, s.here)
	return s
}

func (s *studio) start(f *proc.Function[part], p part) *proc.Process {
	s.t.Helper()
	p.Ring = s.ring.Ref()
	child, err := f.Start(s.ctx, p, proc.Share(s.seg))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, child.Close()) })
	return child
}

// present starts one, and returns when it says that it is there.
func (s *studio) present(f *proc.Function[part], p part) *proc.Process {
	s.t.Helper()
	p.Here = s.here.Ref()
	child := s.start(f, p)
	by, err := s.come.Next(s.ctx)
	require.NoError(s.t, err)
	require.Equal(s.t, p.By, by)
	return child
}

func TestEachSubscriberSeesAllWhileOthersAreKilled(t *testing.T) {
	s := newStudio(t, 64)
	type result struct {
		reading
		err error
	}
	all := make(chan result, 1)
	some := make(chan result, 1)
	for _, p := range []part{{Blocking: true}, {Pauses: true}} {
		opts, results := []ring.EndOption{ring.FromSequence(0)}, some
		if p.Blocking {
			opts, results = append(opts, ring.Blocking()), all
		}
		b, err := ring.BroadcastFrom[bulletin](again(t, s.seg), s.ring.Ref())
		require.NoError(t, err)
		sub := subscriber(t, b, opts...)
		go func() {
			r, err := follow(s.ctx, sub, p)
			results <- result{r, err}
		}()
	}
	var writers, readers []*proc.Process
	by := uint64(0)
	write := func() {
		by++
		writers = append(writers, s.start(announcer, part{By: by, Pauses: by%2 == 0}))
	}
	read := func(blocking bool) {
		readers = append(readers, s.start(follower, part{Blocking: blocking, Pauses: true}))
	}
	steady := s.present(follower, part{})
	for range 3 {
		write()
	}
	for i := range 12 {
		read(i%2 == 0)
		time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond)
		kill(t, writers[0])
		writers = writers[1:]
		write()
		if len(readers) > 1 {
			kill(t, readers[0])
			readers = readers[1:]
		}
	}
	for _, p := range append(writers, readers...) {
		kill(t, p)
	}
	w := writer(t, s.ring)
	require.NoError(t, w.Push(s.ctx, bulletinOf(0, 0)))
	require.NoError(t, w.Close())
	r := <-all
	require.NoError(t, r.err)
	require.Zero(t, r.missed)
	require.Equal(t, w.Sequence(), r.seen)
	require.Contains(t, r.next, uint64(0))
	sum := uint64(0)
	for _, n := range r.next {
		sum += n
	}
	require.Equal(t, r.seen, sum, "each writer's numbers, without a gap")
	r = <-some
	require.NoError(t, r.err)
	require.Equal(t, w.Sequence(), r.seen+r.missed)
	require.NoError(t, steady.Wait(s.ctx))
}

func TestADeadSubscriberHoldsNobodyUp(t *testing.T) {
	s := newStudio(t, 4)
	w := writer(t, s.ring)
	for range 5 {
		child := s.present(follower, part{Blocking: true, By: 1})
		require.NoError(t, proctest.Stop(child.Pid()))
		for {
			ok, err := w.TryPush(bulletinOf(0, 0))
			require.NoError(t, err)
			if !ok {
				break
			}
		}
		done := make(chan error, 1)
		go func() { done <- w.Push(s.ctx, bulletinOf(0, 0)) }()
		untilAsleep(t, s.ctx, 1, s.ring)
		kill(t, child)
		require.NoError(t, <-done)
	}
	// And without waiting.
	child := s.present(follower, part{Blocking: true, By: 1})
	require.NoError(t, proctest.Stop(child.Pid()))
	kill(t, child)
	for range 100 {
		ok, err := w.TryPush(bulletinOf(0, 0))
		require.NoError(t, err)
		require.True(t, ok)
	}
}

func TestAStoppedSubscriberHoldsUpWritersOnlyIfItAskedForThat(t *testing.T) {
	s := newStudio(t, 4)
	w := writer(t, s.ring)
	lapped := s.present(follower, part{By: 1})
	require.NoError(t, proctest.Stop(lapped.Pid()))
	n := uint64(0)
	for ; n < 100; n++ {
		require.NoError(t, w.Push(over(), bulletinOf(2, n)))
	}
	require.NoError(t, unix.Kill(lapped.Pid(), unix.SIGCONT))

	blocking := s.present(follower, part{By: 2, Blocking: true})
	require.NoError(t, proctest.Stop(blocking.Pid()))
	for {
		ok, err := w.TryPush(bulletinOf(2, n))
		require.NoError(t, err)
		if !ok {
			break
		}
		n++
	}
	ctx, cancel := context.WithTimeout(s.ctx, 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, w.Push(ctx, bulletinOf(2, n)), context.DeadlineExceeded, "it is not dead")
	require.NoError(t, unix.Kill(blocking.Pid(), unix.SIGCONT))
	for end := n + 100; n < end; n++ {
		require.NoError(t, w.Push(s.ctx, bulletinOf(2, n)))
	}
	require.NoError(t, w.Close())
	require.NoError(t, lapped.Wait(s.ctx))
	require.NoError(t, blocking.Wait(s.ctx))
}

// A stopped writer that is at no push keeps the turn from nobody, and goes on behind what came meanwhile.
func TestAStoppedWriterHoldsNobodyUpBetweenPushes(t *testing.T) {
	s := newStudio(t, 64)
	sub := subscriber(t, s.ring)
	other := s.present(announcer, part{By: 1, N: 20})
	require.NoError(t, proctest.Stop(other.Pid()))
	w := writer(t, s.ring)
	for n := range uint64(20) {
		require.NoError(t, w.Push(s.ctx, bulletinOf(2, n)))
	}
	kill(t, other)
	for n := range uint64(40) {
		v, err := sub.Next(s.ctx)
		require.NoError(t, err)
		require.Equal(t, bulletinOf(1+n/20, n%20), v)
	}
}

// A subscriber that sleeps is woken by a writer of another process, and by its close.
func TestASubscriberSleepsUntilThereIsARecord(t *testing.T) {
	s := newStudio(t, 64)
	sub := subscriber(t, s.ring, ring.Waiting(ring.Park))
	for by := uint64(1); by <= 3; by++ {
		child := s.start(announcer, part{By: by, N: 1})
		v, err := sub.Next(s.ctx)
		require.NoError(t, err)
		require.Equal(t, bulletinOf(by, 0), v)
		kill(t, child)
	}
}
