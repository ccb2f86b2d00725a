package segment

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/liveness"
	"github.com/kindred-ipc/kindred/internal/race"
)

func TestTheBarrierIsRepeatedForEachMarkAndForNoOther(t *testing.T) {
	var e futex.Event
	f := fence{event: &e, needed: true}
	f.announced(e.Announce())
	require.False(t, f.raise(), "the first sleep is short, without more ado")
	f.slept(futex.TimedOut)

	f.announced(e.Announce())
	require.True(t, f.raise(), "before the long sleep")
	f.slept(futex.TimedOut)
	f.announced(e.Announce())
	require.False(t, f.raise(), "the mark still stands")
	f.slept(futex.TimedOut)

	e.Broadcast() // behind the sleep that ran its full time
	f.announced(e.Announce())
	require.True(t, f.raise(), "a mark of its own")
	f.slept(futex.Woken)
	f.announced(e.Announce())
	require.False(t, f.raise(), "woken: a short sleep comes first")
}

// point is a wait point on an event of its own.
func point(t *testing.T, manner Manner) (*Segment, *Point) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 16})
	require.NoError(t, err)
	p := s.Point(o.Offset(), manner)
	require.Same(t, p, s.Point(o.Offset(), manner), "one for all handles")
	p.SetPolicy(futex.Park)
	return s, p
}

func TestTheNextInLineLeadsWhateverEndedTheLeadersWait(t *testing.T) {
	for _, end := range []string{"success", "context", "in line"} {
		t.Run(end, func(t *testing.T) {
			_, p := point(t, Exclusive)
			var mu sync.Mutex
			tokens := 0
			take := func() bool {
				mu.Lock()
				defer mu.Unlock()
				if tokens > 0 {
					tokens--
					return true
				}
				return false
			}
			give := func() {
				mu.Lock()
				tokens++
				mu.Unlock()
				p.event.Signal()
			}
			var wg sync.WaitGroup
			var cancels []context.CancelFunc
			results := make(chan error, 5)
			for i := range 5 {
				ctx, cancel := context.WithCancel(bounded(t))
				cancels = append(cancels, cancel)
				wg.Go(func() { results <- p.Wait(ctx, Wait{Try: take}) })
				for p.Queued() <= i {
					runtime.Gosched()
				}
			}
			switch end {
			case "success":
				give()
				require.NoError(t, <-results)
			case "context":
				cancels[0]()
				require.ErrorIs(t, <-results, context.Canceled)
			case "in line":
				cancels[2]()
				require.ErrorIs(t, <-results, context.Canceled)
			}
			for range 4 {
				give()
				require.NoError(t, <-results)
			}
			wg.Wait()
			require.Zero(t, p.Queued())
			require.False(t, p.front.taken.Load())
			for _, cancel := range cancels {
				cancel()
			}
		})
	}
}

// One who comes while the lead is handed on does not go before those in line.
func TestWhoComesBetweenTwoLeadersQueuesUp(t *testing.T) {
	_, p := point(t, Shared)
	leader, first := p.line(), p.line()
	require.Nil(t, leader.turn)
	require.NotNil(t, first.turn)
	p.front.free() // the leader goes, and is held up
	require.NotZero(t, p.Queued(), "who comes now does not poll")
	second := p.line()
	require.NotNil(t, second.turn)
	p.handOn()
	for _, w := range []*waiter{first, second} {
		select {
		case <-w.turn:
		default:
			require.Fail(t, "it is his turn")
		}
		require.Same(t, w, p.front.sits())
		p.leave(w)
	}
	require.Zero(t, p.Queued())
}

// Nobody is left in line without a leader, however those who come, go and give up meet.
func TestTheLineAlwaysHasALeader(t *testing.T) {
	_, p := point(t, Exclusive)
	var free atomic.Bool
	free.Store(true)
	take := func() bool { return free.CompareAndSwap(true, false) }
	ctx := bounded(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 500 {
				patience := time.Hour
				if (i+k)%3 == 0 {
					patience = time.Duration(k%7) * 10 * time.Microsecond
				}
				mine, cancel := context.WithTimeout(ctx, patience)
				if p.Wait(mine, Wait{Try: take}) == nil {
					free.Store(true)
					p.Signal()
				}
				cancel()
			}
		})
	}
	all.Wait()
	require.NoError(t, ctx.Err())
	require.Zero(t, p.Queued())
	require.Nil(t, p.first)
	require.Nil(t, p.last)
}

// silent is a context whose end nobody can wait for.
type silent struct {
	context.Context
	over *atomic.Bool
}

func (s silent) Err() error {
	if s.over.Load() {
		return context.Canceled
	}
	return nil
}

func (s silent) withCancel() (context.Context, func()) { return s, func() { s.over.Store(true) } }

// A wake that a waiter used, who then leaves without what it waited for, goes to another process.
func TestACancelledWaiterPassesItsWakeOn(t *testing.T) {
	unguarded(t)
	_, p := point(t, Exclusive)
	// Nobody pokes at the end of a context that has no channel, which would move the sequence, too, as
	// the end of a brief sleep would.
	ctx, cancel := silent{Context: context.Background(), over: new(atomic.Bool)}.withCancel()
	asleep := make(chan struct{}, 2)
	looked := 0
	failed := make(chan error, 1)
	go func() {
		failed <- p.Wait(ctx, Wait{Try: func() bool {
			if looked++; looked == 2 {
				cancel() // it was woken, finds nothing, and is cancelled before it sleeps again
			}
			asleep <- struct{}{}
			return false
		}})
	}()
	<-asleep
	before := p.event.Word().Load()
	signals := uint32(0)
	for {
		select {
		case err := <-failed:
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, before+signals+1, p.event.Word().Load(), "it gave one of its own")
			return
		default:
			p.event.Rouse() // counts whether or not the mark stands, which the waiter takes away, too
			signals++
			runtime.Gosched()
		}
	}
}

func TestTheSafetyNetCatchesAWakeThatNobodyGave(t *testing.T) {
	_, p := point(t, Shared)
	var mu sync.Mutex
	ready := false
	looked := make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() {
		done <- p.Wait(bounded(t), Wait{Try: func() bool {
			looked <- struct{}{}
			mu.Lock()
			defer mu.Unlock()
			return ready
		}})
	}()
	<-looked
	mu.Lock()
	ready = true // and no signal: whoever made it so died
	mu.Unlock()
	start := time.Now()
	require.NoError(t, <-done)
	require.Less(t, time.Since(start), 20*time.Second)
}

// unguarded has sleeps of this test end by a wake-up, or by the news of a death.
func unguarded(t *testing.T) {
	was := net
	net = time.Hour
	t.Cleanup(func() { net = was })
}

// One who meets others at p: it attached once more, and dies as mortal does.
func joined(t *testing.T, s *Segment, p *Point) *Segment {
	m := mortal(t, s)
	for off, q := range s.points {
		if p == q {
			m.Point(off, p.manner)
		}
	}
	return m
}

func TestWhoeverDiedAndWasSweptBeforeItWasWatchedIsNotWaitedFor(t *testing.T) {
	unguarded(t)
	s, p := point(t, Exclusive)
	sweeper := again(t, s, Config{})
	m := joined(t, s, p)
	free := false
	require.NoError(t, p.Wait(bounded(t), Wait{
		Try: func() bool { return free },
		Peer: func() Owner { // behind the look: it gives up what is waited for, and dies before it says so
			if !free {
				free = true
				o := m.Self()
				die(t, m)
				require.True(t, sweeper.Gone(o))
			}
			return 0
		},
	}))
}

// The news of a death may come while another process is about to free the slot, which will not be told to those who looked before it did.
func TestWhoIsToldOfADeathKnowsItWhileAnotherSweeps(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	sweeper := again(t, s, Config{})
	m := mortal(t, s)
	o := m.Self()
	off := lockBase + int64(o.slot())
	require.False(t, s.Swept(o))
	die(t, m)
	ok, err := liveness.TryLock(sweeper.locks, off, 1)
	require.NoError(t, err)
	require.True(t, ok, "as who sweeps has it")
	s.died(o)
	require.True(t, s.Swept(o))
	require.Zero(t, s.Info().Swept, "the slot is not free")
	require.NoError(t, liveness.Unlock(sweeper.locks, off, 1))
	require.True(t, sweeper.Gone(o))
	require.True(t, s.Swept(o))
	require.False(t, s.Swept(sweeper.Self()))
	require.Zero(t, s.told.Load(), "nobody asks for more than the slot any more")
}

func TestAWatchThatEndsBecauseAnotherSweptTellsThoseWhoSleep(t *testing.T) {
	unguarded(t)
	s, p := point(t, Exclusive)
	sweeper, other := again(t, s, Config{}), again(t, s, Config{})
	m := joined(t, s, p)
	var free atomic.Bool
	looked := make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() {
		done <- p.Wait(bounded(t), Wait{Try: func() bool {
			looked <- struct{}{}
			return free.Load()
		}})
	}()
	<-looked
	<-looked // once more behind the watch
	free.Store(true)
	o := m.Self()
	die(t, m)
	require.True(t, sweeper.Gone(o))
	requireWatched(t, s, other.Self()) // by another goroutine, which drops the watch on m
	require.NoError(t, <-done)
}

// A waiter that came late, and whose wait is over, is not kept by one before it that waits for something else.
func TestAWaitThatIsOverDoesNotQueueUp(t *testing.T) {
	s, p := point(t, Shared)
	var over atomic.Bool
	first := make(chan error)
	go func() { first <- p.Wait(bounded(t), Wait{Try: over.Load}) }()
	until(t, func() bool { return p.Queued() == 1 })
	require.NoError(t, p.Wait(bounded(t), Wait{Try: func() bool { return true }, Apart: true}))
	require.Equal(t, 1, p.Queued())
	over.Store(true)
	p.Broadcast()
	require.NoError(t, <-first)
	require.NoError(t, s.Close())
}

// Whose memory says that its peer is dead, again and again, neither waits past its context nor goes round without a rest.
func TestADeathThatNobodyTakesUpDoesNotKeepAWaiterGoing(t *testing.T) {
	s, p := point(t, Exclusive)
	m := mortal(t, s)
	o := m.Self()
	die(t, m)
	require.True(t, s.Gone(o))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	looks := 0
	require.ErrorIs(t, p.Wait(ctx, Wait{
		Try:     func() bool { looks++; return false },
		Peer:    func() Owner { return o },
		Recover: func(Owner) bool { return false },
	}), context.DeadlineExceeded)
	require.Less(t, looks, 1000)
}

// Another object lies where that was whose Event this attach has used. What its maker keeps there is none of Close's business.
func TestCloseStoresNothingWhereSomethingWasDestroyed(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	other := again(t, s, Config{})
	fresh := func() Object {
		o, err := other.New(Spec{Kind: KindRaw, Size: 64})
		require.NoError(t, err)
		return o
	}
	o := fresh()
	s.Point(o.Offset(), Shared)
	require.NoError(t, other.Destroy(o.Ref()))
	theirs := fresh()
	require.Equal(t, o.Offset(), theirs.Offset())
	b := unsafe.Slice((*byte)(theirs.Pointer()), 64)
	for i := range b {
		b[i] = 0xff
	}
	require.NoError(t, s.Close())
	require.Equal(t, bytes.Repeat([]byte{0xff}, 64), b)
}

// A wake that Close kept this attach from passing on is not lost: all look again.
func TestCloseWakesThoseWhoseMarkIsGone(t *testing.T) {
	unguarded(t)
	s, p := point(t, Exclusive)
	other := again(t, s, Config{})
	q := other.Point(p.off, Exclusive)
	q.SetPolicy(futex.Park)
	var free atomic.Bool
	done := make(chan error, 1)
	go func() { done <- q.Wait(bounded(t), Wait{Try: free.Load}) }()
	until(t, func() bool { return q.event.Asleep() && other.seated() == 1 })
	free.Store(true)
	(*atomic.Uint32)(unsafe.Add(unsafe.Pointer(p.event), 4)).Store(0) // as Signal does, before the wake
	require.NoError(t, s.Close())
	require.NoError(t, <-done)
}

// What a wait is made of stays on its goroutine's stack, also while it sleeps.
func TestAWaitAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	_, p := point(t, Shared)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(20, func() {
		looks := 0
		err := p.Wait(ctx, Wait{
			Try:       func() bool { looks++; return looks > 3 },
			Peer:      func() Owner { return Owner(min(looks, 0)) },
			Recover:   func(Owner) bool { return looks > 3 },
			Slept:     func() { looks++ },
			Impatient: true,
		})
		if err != nil {
			panic(err)
		}
	}))
}
