package futex

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Budgets of a Spinner. The least is about what a park and a wake cost the two sides on an idle
// machine; the most is short enough that a collector's stop of the world does not notice it.
const (
	minSpin     = 2 * time.Microsecond
	initialSpin = 20 * time.Microsecond
	maxSpin     = 50 * time.Microsecond

	// pollsPerLook is how many polls are made between two looks at the clock.
	pollsPerLook = 32
)

// Policy says how a wait begins.
type Policy int32

const (
	// Adaptive polls for as long as polling has paid off lately, then sleeps.
	Adaptive Policy = iota
	// Spin polls for the longest budget each time, then sleeps. For pairs of processes that have a
	// CPU each.
	Spin
	// Park sleeps at once. For those that share CPUs with others.
	Park
)

// Spinner polls before a sleep. It belongs to one wait point of one process; its zero value is
// ready; its methods may be called by several goroutines.
type Spinner struct {
	budget atomic.Int64 // nanoseconds; 0 stands for initialSpin
	policy atomic.Int32
}

// SetPolicy sets how waits begin.
func (s *Spinner) SetPolicy(p Policy) { s.policy.Store(int32(p)) }

// Spin polls done until it reports true or the budget is used up, and says which. It does not poll
// at all where the process may run on one CPU alone: whoever could make done true would be kept
// from it.
func (s *Spinner) Spin(done func() bool) bool {
	policy := Policy(s.policy.Load())
	if policy == Park || !ManyCPUs() {
		return false
	}
	if word.Modelled && word.Current() != nil {
		return done() // time stands still in a model
	}
	budget := maxSpin
	if policy == Adaptive {
		if budget = time.Duration(s.budget.Load()); budget == 0 {
			budget = initialSpin
		}
	}
	paid := poll(done, budget)
	if policy == Adaptive {
		s.learn(budget, paid)
	}
	return paid
}

func poll(done func() bool, budget time.Duration) bool {
	for range pollsPerLook {
		if done() {
			return true
		}
		pause()
	}
	yield := runtime.GOMAXPROCS(0) == 1
	for start := time.Now(); time.Since(start) < budget; {
		for range pollsPerLook {
			if done() {
				return true
			}
			pause()
		}
		if yield {
			runtime.Gosched()
		}
	}
	return false
}

// learn doubles the budget after success and takes a quarter off after failure, so that a wait
// point whose partner is away for long soon costs little, and one whose partner is quick recovers
// with one success.
func (s *Spinner) learn(budget time.Duration, paid bool) {
	if paid {
		budget = min(2*budget, maxSpin)
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
	return manyCPUs()
}
