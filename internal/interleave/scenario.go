//go:build interleave && (linux || darwin)

package interleave

import (
	"context"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// Scenario is a small world: what is there, what each process does, and what may happen to it.
type Scenario struct {
	Name string

	// Setup makes the objects, and the processes with their functions. It is called for each run.
	Setup func(w *World)

	Deaths  int  // how many processes may die, of those that are Mortal
	Fine    bool // a step ends behind an access, too
	Buffers int  // how many stores of a process may be on their way; 0: none, each is visible at once

	Net     Net
	Cancels int  // how many contexts (Process.Context) may end
	Silent  bool // deaths are not pushed
	Demand  bool // there is no membarrier: waiters ask for fences
	Late    bool // processes are registered for membarrier at any moment, not from the beginning
	Clock   bool // time may pass, so that those who wait become urgent
	Polls   bool // there are CPUs to poll on
	Folded  uint // a bit for each process, in their order: its waits are folded

	// Lose takes something out that must be there: a losing control.
	Lose Loss

	Size int64 // of the segment; 0: 16 KiB
}

// Net is when a sleep that no wake ends comes to its end.
type Net int

const (
	// NoNet: never. Whoever sleeps for good is lost.
	NoNet Net = iota
	// LastNet: when nothing else can happen any more.
	LastNet
	// AnyNet: the same, and once in a run at any moment.
	AnyNet
)

// Loss is what a losing control takes out.
type Loss int

const (
	Nothing    Loss = iota
	NoBarrier       // membarrier does nothing
	NoWake          // one wake of the run is lost
	HastyProof      // a process that has not died may be taken for dead
)

// World is one run's.
type World struct {
	*run
	// Ghost is what a scenario remembers of processes that may be dead, or of several: whatever is
	// neither in the segment nor known to a process that lives. It is part of the state.
	Ghost []uint64

	finally func() error
}

// Process is one modelled process.
type Process struct {
	Segment *segment.Segment
	Shm     *shm.Segment
	Mortal  bool // may be killed
	Fickle  bool // its Context may end

	name  string
	index int
	run   *run

	body       func()
	threads    []*thread
	dead       bool
	done       bool // body returned
	registered bool
	canceled   bool
	locked     int // order of its threads' critical sections
	watches    []*watch
	poked      *pokeWord
}

// Process adds a process that is attached to the segment.
func (w *World) Process(name string) *Process {
	p := &Process{name: name, index: len(w.processes), run: w.run, registered: !w.s.Late}
	w.processes = append(w.processes, p)
	p.Do(func() { p.Attach() })
	return p
}

// Stranger adds a process that has not attached yet.
func (w *World) Stranger(name string) *Process {
	p := &Process{name: name, index: len(w.processes), run: w.run, registered: !w.s.Late}
	w.processes = append(w.processes, p)
	return p
}

// Attach takes a slot.
func (p *Process) Attach() {
	s, err := p.run.memory.Attach(p.name)
	p.NoError(err)
	p.Segment, p.Shm = s, shm.Over(s)
	if p.run.s.Folded>>p.index&1 != 0 {
		s.Fold()
	}
}

// Do calls f as p, before the run or after it.
func (p *Process) Do(f func()) {
	before := p.run.as
	p.run.as = p
	f()
	p.run.as = before
}

// Run sets what p does.
func (p *Process) Run(body func()) { p.body = body }

// Finally sets what must hold at the end of a run, when everybody has returned or is dead. It runs as
// a process that nobody has seen before, whose attach is given; it must not wait.
func (w *World) Finally(check func(auditor *Process)) {
	w.finally = func() (err error) {
		defer func() {
			if f, ok := recover().(failed); ok {
				err = f.err
			}
		}()
		w.auditing = true
		a := w.Process("auditor")
		a.Do(func() { check(a) })
		return nil
	}
}

// crowded reports whether more than one of p's threads still does something.
func (p *Process) crowded() bool {
	n := 0
	for _, t := range p.threads {
		if !t.finished {
			n++
		}
	}
	return n > 1
}

// Dead reports whether p was killed.
func (p *Process) Dead() bool { return p.dead }

// Returned reports whether p has done what it had to.
func (p *Process) Returned() bool { return p.done }

// Saw makes values part of what the running thread knows.
func (p *Process) Saw(values ...uint64) {
	if t := p.run.current; t != nil {
		for _, v := range values {
			t.learn(v)
		}
	}
}

// Rest says that the running thread is between two operations, and that what it will do depends on
// nothing that it has learned but values: not on what its handles remember, either.
func (p *Process) Rest(values ...uint64) {
	if t := p.run.current; t != nil {
		t.history = 0
		p.Saw(values...)
	}
}

// failed is how a failure leaves code that runs outside of a thread.
type failed struct{ err error }

// Fail ends the run, and the search.
func (p *Process) Fail(format string, args ...any) {
	err := fmt.Errorf("%s: "+format, append([]any{p.name}, args...)...)
	if t := p.run.current; t != nil {
		p.run.fail(err)
		t.suspend()
	}
	panic(failed{err})
}

// Check fails if ok is false.
func (p *Process) Check(ok bool, format string, args ...any) {
	if !ok {
		p.Fail(format, args...)
	}
}

// NoError fails if err is not nil.
func (p *Process) NoError(err error) {
	if err != nil {
		p.Fail("%w", err)
	}
}

// Context is one that may end at any moment, if the process is Fickle, as often as Cancels says. A
// process that uses it waits with no other.
func (p *Process) Context() context.Context { return modelContext{context.Background(), p} }

// modelContext has no channel, so nobody starts a goroutine to wait for it: the model pokes.
type modelContext struct {
	context.Context
	p *Process
}

func (c modelContext) Err() error {
	if t := c.p.run.current; t != nil {
		t.learn(word.Bit(c.p.canceled))
	}
	if c.p.canceled {
		return context.Canceled
	}
	return nil
}
