package futex

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/word"
)

func TestWaitReturnsWhenTheWordDiffers(t *testing.T) {
	word := new(word.Uint32)
	word.Store(1)
	require.Equal(t, Changed, Wait(word, 0, time.Minute))
}

func TestWaitEndsAtItsDeadlineAndNotBefore(t *testing.T) {
	word := new(word.Uint32)
	const d = 30 * time.Millisecond
	for _, sleep := range []func() Outcome{
		func() Outcome { return Wait(word, 0, d) },
		func() Outcome { return new(Sleeper).Sleep(word, 0, d) },
	} {
		// A signal may end a sleep (the runtime's own, when it preempts): one that says that its time is
		// over has slept that long.
		for began := time.Now(); ; began = time.Now() {
			if sleep() == TimedOut {
				took := time.Since(began)
				require.GreaterOrEqual(t, took, d)
				require.Less(t, took, 10*time.Second)
				break
			}
		}
	}
}

func TestWakeReachesASleeper(t *testing.T) {
	word := new(word.Uint32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var s Sleeper
		for word.Load() == 0 {
			s.Sleep(word, 0, -1)
		}
	}()
	word.Store(1)
	for woken := false; !woken; {
		Wake(word, All)
		select {
		case <-done:
			woken = true
		default:
			runtime.Gosched()
		}
	}
}

func TestPokeEndsASleep(t *testing.T) {
	for range 50 {
		word := new(word.Uint32)
		var s Sleeper
		out := make(chan Outcome)
		go func() {
			got := s.Sleep(word, 0, -1)
			for got == Woken { // by a signal, which is nothing to return for
				got = s.Sleep(word, 0, -1)
			}
			out <- got
		}()
		runtime.Gosched()
		s.Poke(word)
		require.Equal(t, Poked, <-out)
		require.LessOrEqual(t, word.Load(), uint32(1), "moved, unless the poke came before the sleep")
	}
}

// What the word lies in may be destroyed by then.
func TestNobodyMovesTheWordOfWhoDoesNotSleep(t *testing.T) {
	w := new(word.Uint32)
	var s Sleeper
	var over atomic.Bool
	var poker sync.WaitGroup
	poker.Go(func() {
		for !over.Load() {
			s.Poke(w)
			runtime.Gosched()
		}
	})
	defer poker.Wait()
	defer over.Store(true)
	for range 2000 {
		s.Clear()
		for out := Woken; out != Poked; {
			out = s.Sleep(w, w.Load(), time.Minute)
		}
		before := w.Load()
		runtime.Gosched()
		require.Equal(t, before, w.Load())
	}
}

// Tokens pass through a counter guarded by nothing but the event count; a lost wake-up leaves the
// consumers asleep for good, because they sleep without a deadline.
func TestEventLosesNoWakeUp(t *testing.T) {
	const consumers, tokens = 4, 20000
	var e Event
	var have, taken atomic.Int64
	take := func() bool {
		for {
			n := have.Load()
			if n == 0 {
				return false
			}
			if have.CompareAndSwap(n, n-1) {
				return true
			}
		}
	}
	var wg sync.WaitGroup
	for range consumers {
		wg.Go(func() {
			var s Sleeper
			slept := false
			for taken.Load() < tokens {
				if !take() {
					seq := e.Announce()
					if taken.Load() >= tokens {
						return
					}
					if !take() {
						s.Sleep(e.Word(), seq, -1)
						slept = true
						continue
					}
				}
				if slept {
					e.Pass()
					slept = false
				}
				if taken.Add(1) == tokens {
					e.Rouse()
				}
			}
		})
	}
	for range tokens {
		have.Add(1)
		e.Signal()
	}
	wg.Wait()
	require.EqualValues(t, tokens, taken.Load())
}

func TestASignalToNobodyLeavesTheSequenceAlone(t *testing.T) {
	var e Event
	e.Signal()
	e.Broadcast()
	require.Zero(t, e.Word().Load())
	require.True(t, e.Idle())
	require.EqualValues(t, 1, e.Announce(), "nobody sleeps on 0, which is what Close leaves")
	require.True(t, e.Asleep())
	e.Signal()
	require.EqualValues(t, 2, e.Word().Load())
	require.True(t, e.Idle())
}

func TestASignalToOneWhoIsFoldedIsHeardOnce(t *testing.T) {
	var e Event
	require.EqualValues(t, 1, e.AnnounceFolded())
	require.True(t, e.Asleep())
	require.True(t, e.Stands(1))
	require.True(t, e.Signal(), "the doorbells are to be rung")
	require.True(t, e.Moved(1))
	require.False(t, e.Stands(1))
	require.True(t, e.Idle())
	require.False(t, e.Signal())
	e.Announce()
	e.AnnounceFolded()
	require.True(t, e.Broadcast())
	require.True(t, e.Idle())
}

func TestADoorbellTellsWhetherItRang(t *testing.T) {
	var d Event
	require.False(t, d.Rang())
	d.Ring(4)
	require.True(t, d.Rang())
	require.EqualValues(t, 4, d.Rung())
	require.False(t, d.Rang())
}

func TestADemandForFencesIsNeverTakenBack(t *testing.T) {
	var e Event
	e.Demand()
	e.Announce()
	e.Broadcast()
	require.True(t, e.Fenced())
	require.False(t, e.Asleep())
	require.False(t, e.Idle())
}

func TestSpinnerLearns(t *testing.T) {
	var s Spinner
	if !ManyCPUs() {
		return // see TestYieldsLearn
	}
	for range 40 {
		require.False(t, s.Spin(func() bool { return false }, Polling{}))
	}
	require.Equal(t, int64(minSpin), s.budget.Load())
	for range 10 {
		require.True(t, s.Spin(func() bool { return true }, Polling{}))
	}
	require.Equal(t, int64(maxSpin), s.budget.Load())
	s.SetPolicy(Park)
	require.False(t, s.Spin(func() bool { return true }, Polling{}))
}

func TestSpinnerLearnsFromSleepsThatWereShort(t *testing.T) {
	var s Spinner
	s.Slept(time.Microsecond, Polling{Share: true})
	require.Zero(t, s.budget.Load(), "it has not polled yet")
	s.budget.Store(int64(minSpin))
	s.Slept(maxShared, Polling{Share: true})
	require.Equal(t, int64(minSpin), s.budget.Load(), "no budget would have been enough")
	for range 10 {
		s.Slept(maxShared-1, Polling{Share: true})
	}
	require.Equal(t, int64(maxShared), s.budget.Load())
	s.budget.Store(int64(minSpin))
	s.Slept(maxSpin, Polling{})
	require.Equal(t, int64(minSpin), s.budget.Load(), "who does not share polls for less")
	s.SetPolicy(Park)
	s.Slept(0, Polling{})
	require.Equal(t, int64(minSpin), s.budget.Load(), "it does not poll")
}

func TestWhatIsNoPolicyIsAdaptive(t *testing.T) {
	var s Spinner
	for _, p := range []Policy{-1, Park + 1, 77} {
		s.SetPolicy(Park)
		s.SetPolicy(p)
		require.Equal(t, Adaptive, Policy(s.policy.Load()))
	}
}

func TestASpinnerGivesUpWhenItIsTold(t *testing.T) {
	if !ManyCPUs() {
		return // see TestYieldsLearn
	}
	var s Spinner
	s.budget.Store(int64(time.Hour))
	require.False(t, s.Spin(func() bool { return false }, Polling{Ended: func() bool { return true }}))
	require.EqualValues(t, time.Hour-time.Hour/4, s.budget.Load(), "it did not pay off")
}

func TestASpinnerThatSharesLetsOthersGoFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var s Spinner
	var ran atomic.Bool
	go ran.Store(true)
	require.True(t, s.Spin(ran.Load, Polling{Share: true}))
}

func TestASpinnerInACrowdYieldsBeforeItPolls(t *testing.T) {
	if !ManyCPUs() || !yield() {
		t.Skip("the process may run on one CPU, where every wait yields, or the system has no sched_yield")
	}
	yes, no := func() bool { return true }, func() bool { return false }
	var s Spinner
	s.SetPolicy(Spin)
	require.True(t, s.Spin(yes, Polling{Crowd: yes}))
	s.SetPolicy(Adaptive)
	require.True(t, s.Spin(yes, Polling{Crowd: no}))
	require.Zero(t, s.yields.Load(), "it was not to")
	budget := s.budget.Load()
	require.True(t, s.Spin(yes, Polling{Crowd: yes}))
	require.Negative(t, s.yields.Load(), "it paid off")
	require.Equal(t, budget, s.budget.Load())
	asked := 0
	require.False(t, s.Spin(func() bool { asked++; return false }, Polling{Crowd: yes}))
	require.Greater(t, asked, initialYields+1, "it polled behind them")
	require.Zero(t, s.yields.Load())
	require.Less(t, s.budget.Load(), budget)
}

func TestYieldsLearn(t *testing.T) {
	if !yield() {
		t.Skip("the system has no sched_yield (futex: yield)")
	}
	var s Spinner
	asked := 0
	never := func() bool { asked++; return false }
	for range 40 {
		require.False(t, s.yieldFor(never, Polling{}))
	}
	asked = 0
	require.False(t, s.yieldFor(never, Polling{}))
	require.Equal(t, 1, asked, "in vain: once, to see whether it has changed")
	for range 40 {
		require.True(t, s.yieldFor(func() bool { return true }, Polling{}))
	}
	asked = 0
	require.False(t, s.yieldFor(never, Polling{}))
	require.Equal(t, maxYields, asked)
}

func TestRegistrationEnds(t *testing.T) {
	Register()
	if runtime.GOOS != "linux" {
		require.False(t, Registered())
		return
	}
	for deadline := time.Now().Add(time.Minute); !Registered(); {
		require.True(t, time.Now().Before(deadline), "membarrier registration")
		runtime.Gosched()
	}
	require.True(t, Barrier())
}
