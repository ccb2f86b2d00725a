package futex

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Budgets of a Spinner. The least is about what a park and a wake cost the two sides on an idle
// machine; the most that is adapted to is short enough that a collector's stop of the world does not notice it.
const (
	minSpin     = 2 * time.Microsecond
	initialSpin = 20 * time.Microsecond
	maxSpin     = 50 * time.Microsecond

	// longSpin is the budget of who is to spin: longer than the system takes the CPU from the peer for a short job of its own, or of the
	// scheduler's monitor. A sleep because of that keeps the monitor awake, which then comes again and again.
	longSpin = 200 * time.Microsecond

	// maxShared is the most where others go first now and then (Polling.Share), which holds up neither them nor a collector. What
	// waits so waits for a peer that has something to do in between, and a peer that polls as long answers sooner than one that sleeps.
	maxShared = 150 * time.Microsecond

	// Where the process has one CPU, or more processes wait for each other than there are CPUs, whoever could
	// make the condition true is kept from it by polling, but not by a yield: sched_yield gives the CPU to others who want it, and
	// takes half as long as a sleep and a wake. One who sleeps, besides, is woken by the first item, in front of whoever would
	// make more; one who yields has his turn when that one's time is over. It proves nothing, because others may
	// want the CPU who have nothing to do with the wait. So a few are tried, fewer if they were of no use.
	initialYields = 4
	maxYields     = 8

	// Where others of this process go first now and then, it is behind a yield in vain, and in one wait of so many before the first look: Go's scheduler wakes a
	// thread to look for work whenever a goroutine lets others go first, which on one CPU takes longer than all the rest of a wait.
	yieldsPerTurn = 8

	// pollsPerTurn is how many polls are made between two turns of others.
	pollsPerTurn = 4

	// pausesPerLook is how many pauses are made between two looks at the clock.
	pausesPerLook = 32
)

// Policy says how a wait begins.
type Policy int32

const (
	// Adaptive polls for as long as polling has paid off lately, then sleeps.
	Adaptive Policy = iota
	// Spin polls for 200 µs each time, then sleeps. For pairs of processes that have a CPU each.
	Spin
	// Park sleeps at once. For those that share CPUs with others.
	Park
)

// Spinner polls before a sleep. It belongs to one wait point of one process; its zero value is
// ready; its methods may be called by several goroutines.
type Spinner struct {
	budget atomic.Int64  // nanoseconds; 0 stands for initialSpin
	yields atomic.Int32  // how many yields in vain have been taken off initialYields; negative: added
	shared atomic.Uint32 // waits by yieldFor that others of this process go before, now and then
	policy atomic.Int32
	turns  turns
}

// SetPolicy sets how waits begin. What is none of the policies is Adaptive.
func (s *Spinner) SetPolicy(p Policy) {
	if p != Spin && p != Park {
		p = Adaptive
	}
	s.policy.Store(int32(p))
}

// Parks reports whether Spin would not poll, whatever it is given.
func (s *Spinner) Parks() bool { return Policy(s.policy.Load()) == Park }

// Polling says how a Spinner polls. Its zero value is good.
type Polling struct {
	// Rest is how many pauses there are between two polls, 0 for 1.
	Rest int
	// Ended, if set, is asked now and then whether to give up.
	Ended func() bool
	// Share is set if other goroutines of this process that can run go before, now and then: polling keeps a processor
	// of the scheduler, and whoever was made ready on that, from running.
	// Then polling may last longer: see maxShared.
	Share bool
	// Yield is set if they go before each look at the time, and before the first, and threads of other processes as well, as long as
	// those do not take long: see turns. Looks are closer together then. On one CPU they go less often: see yieldsPerTurn.
	Yield bool
	// Crowd, if set, says whether those who wait for each other are more processes than CPUs.
	Crowd func() bool
}

// Spin polls done until it reports true or the budget is used up, and says which. It does not poll where the process may run
// on one CPU alone, because whoever could make done true would be kept from it, but yields the CPU a few times. In a crowd it does so
// first, if it may adapt to that.
func (s *Spinner) Spin(done func() bool, how Polling) bool {
	policy := Policy(s.policy.Load())
	if policy == Park {
		return false
	}
	many := ManyCPUs()
	if word.Modelled && word.Current() != nil {
		return many && done() // time stands still in a model
	}
	if !many {
		return s.yieldFor(done, how)
	}
	if policy == Adaptive && how.Crowd != nil && how.Crowd() && s.yieldFor(done, how) {
		return true
	}
	budget := longSpin
	if policy == Adaptive {
		if budget = time.Duration(s.budget.Load()); budget == 0 {
			budget = initialSpin
		}
	}
	paid := s.poll(done, budget, how)
	if policy == Adaptive {
		s.learn(budget, paid, how.most())
	}
	return paid
}

// Slept is told how long the sleep was behind a Spin in vain, until what it polled for was there. If the longest budget would have
// been enough, the next one is longer: else two who wait for each other would go on to sleep because each takes long to wake.
func (s *Spinner) Slept(d time.Duration, how Polling) {
	if d >= how.most() || Policy(s.policy.Load()) != Adaptive {
		return
	}
	if budget := time.Duration(s.budget.Load()); budget != 0 {
		s.learn(budget, true, how.most())
	}
}

// most is the longest budget.
func (how Polling) most() time.Duration {
	if how.Share {
		return maxShared
	}
	return maxSpin
}

// yieldFor is Spin on one CPU, and what comes before it in a crowd.
func (s *Spinner) yieldFor(done func() bool, how Polling) bool {
	left := s.yields.Load()
	share := how.Share || how.Yield || runtime.GOMAXPROCS(0) == 1
	for i := range max(initialYields-left, 1) {
		if !yield() {
			return false
		}
		if share && (i > 0 || s.shared.Add(1)%yieldsPerTurn == 0) {
			runtime.Gosched()
		}
		if done() {
			s.yields.Store(max(left-1, initialYields-maxYields))
			return true
		}
	}
	s.yields.Store(min(left+1, initialYields-1))
	return false
}

// One who shares lets others go first after this look at the time, and after each that is so many behind: it takes as long as some
// looks, and what a stream waits for is there before the first.
const (
	shareFirst = 2
	shareEvery = 8
)

func (s *Spinner) poll(done func() bool, budget time.Duration, how Polling) bool {
	alone := runtime.GOMAXPROCS(0) == 1
	rest := max(how.Rest, 1)
	polls := max(pausesPerLook/rest, 1)
	if how.Yield {
		polls = pollsPerTurn
		if s.turns.give(done, alone) {
			return true
		}
	}
	var start time.Time
	for looks := 1; ; looks++ {
		for range polls {
			if done() {
				return true
			}
			for range rest {
				pause()
			}
		}
		if start.IsZero() {
			start = time.Now()
		} else if time.Since(start) >= budget {
			return false
		}
		switch {
		case how.Ended != nil && how.Ended():
			return false
		case how.Yield:
			if s.turns.give(done, alone) {
				return true
			}
		case alone, how.Share && looks%shareEvery == shareFirst:
			runtime.Gosched()
		}
	}
}

// learn doubles the budget after success and takes a quarter off after failure, so that a wait
// point whose partner is away for long soon costs little, and one whose partner is quick recovers
// with one success.
func (s *Spinner) learn(budget time.Duration, paid bool, most time.Duration) {
	if paid {
		budget = min(2*budget, most)
	} else {
		budget = max(budget-budget/4, minSpin)
	}
	s.budget.Store(int64(budget))
}

// Pause tells the CPU that the caller polls.
func Pause() { pause() }

// ManyCPUs reports whether polling can pay off at all: whether the process may run on more than one
// CPU.
func ManyCPUs() bool {
	if word.Modelled {
		if m := word.Current(); m != nil {
			return m.ManyCPUs()
		}
	}
	return CPUs() > 1
}

// CPUs is how many the process may run on, or might a second or sixteen looks ago.
func CPUs() int { return cpus() }
