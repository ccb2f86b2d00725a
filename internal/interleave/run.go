//go:build interleave && (linux || darwin)

package interleave

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// run is one run of a scenario, from the beginning to the end, or to where another run has been.
// Exactly one of its threads runs at a time, or the code that calls them, so nothing is locked.
type run struct {
	s       *Scenario
	memory  *segment.Memory
	sharing *sharing
	stable  *stable
	choose  func(r *run, actions []action) int // which is next; stop: none
	world   *World

	processes []*Process
	threads   []*thread
	sleepers  []*thread // in the order in which they went to sleep
	locks     map[int64]*Process
	as        *Process // whose code runs while no thread does

	current *thread // the thread that runs
	last    *thread // the one that ran before the decision
	chosen  *thread // the one that is to run
	actions []action

	deaths, cancels, nets int // that are left
	idle                  int // sleeps that nothing but the safety net ended
	wakes                 int // that are left to lose
	hasty                 int // false proofs of death that are left
	killed                int
	steps                 int
	auditing              bool
	aborting              bool
	failure               error
	trace                 *strings.Builder
	scratch               []uint64
}

// action is one thing that can happen next.
type action struct {
	kind   kind
	thread *thread
	watch  *watch
	actor  *Process
}

type kind uint8

const (
	goOn     kind = iota // a thread goes on
	arrive               // the oldest store of a thread becomes visible
	push                 // a watcher is told of a death
	timeout              // a sleep ends of itself
	register             // a process becomes known to others' membarrier
	cancel               // a context ends
	kill                 // a process dies
	early                // a thread finds that little time has passed
	late                 // or much
)

// stop is no action: the run ends here.
const stop = -1

// thread is one thread of a process: a coroutine, so that a switch costs little.
type thread struct {
	p     *Process
	index int
	c     *coroutine

	started  bool
	finished bool
	serves   bool  // others of its process, for as long as there are any: it need not end
	blocked  *bool // a lock between the threads of the process that is held
	asleep   *sleep
	outcome  word.Outcome
	buffer   []store
	arrived  int // stores that have left the buffer
	history  uint64
	wrote    bool // its last step changed something that others can see
	writes   bool // its next one does
	fine     bool // it stands behind an access
}

// sleep is what a thread sleeps on.
type sleep struct {
	word  uint64
	poked *pokeWord
	short bool  // it ends of itself at any moment
	until []int // and behind these arrivals, by thread
}

type pokeWord = atomic.Uint32

// store is one that only its own thread sees as yet.
type store struct {
	off uint64
	p   *uint64
	v   uint64
}

// watch is a pidfd that somebody waits for.
type watch struct {
	key    any
	by     *Process
	target *Process
	died   func()
	pushed bool
}

func (t *thread) learn(v uint64) {
	hi, lo := bits.Mul64(t.history^v^0x9e3779b97f4a7c15, 0xd1342543de82ef95)
	t.history = bits.RotateLeft64(hi^lo, 29) + v
}

// newThread adds a thread of p that runs body.
func (r *run) newThread(p *Process, body func()) *thread {
	t := &thread{p: p, index: len(r.threads)}
	t.c = r.stable.take(func() {
		defer func() {
			t.finished = true
			if v := recover(); v != nil && !r.aborting {
				if f, ok := v.(failed); ok {
					r.fail(f.err)
				} else {
					r.fail(fmt.Errorf("%s: panic: %v\n%s", p.name, v, debug.Stack()))
				}
			}
		}()
		body()
	})
	r.threads = append(r.threads, t)
	p.threads = append(p.threads, t)
	return t
}

// killing is how a thread that will not go on is unwound. Whatever its deferred functions try to do
// in the model is refused in the same way.
type killing struct{}

// suspend gives the thread's turn away, and returns when it has it again.
func (t *thread) suspend() {
	t.c.yield(struct{}{})
	if t.p.run.aborting {
		panic(killing{})
	}
}

// step is a point where anything may happen. It returns when the calling thread is to go on.
func (r *run) step(writes bool) *thread {
	t := r.current
	if r.aborting {
		panic(killing{})
	}
	if t == nil {
		return nil
	}
	t.writes = writes
	r.last, r.current = t, nil
	r.chosen = r.decide()
	if r.chosen != t {
		t.suspend()
	}
	r.current = t
	r.steps++
	t.learn(0x57e9) // so that no step leads to where it began
	t.wrote = false
	if r.steps > maxSteps {
		r.fail(errors.New("the run does not end"))
		t.suspend()
	}
	return t
}

// maxSteps is more than any run of a scenario has.
const maxSteps = 100_000

// after ends an access: with Fine, what follows it is a step of its own.
func (r *run) after(t *thread) {
	if t != nil && r.s.Fine {
		t.fine = true
		r.step(true)
		t.fine = false
	}
}

// execute runs the scenario once. It reports a failure, and whether the run came to its end.
func (r *run) execute() (ended bool, err error) {
	r.memory.Reset()
	word.Enter(r)
	defer word.Enter(nil)
	r.locks = make(map[int64]*Process)
	r.deaths, r.cancels = r.s.Deaths, r.s.Cancels
	if r.s.Net == AnyNet {
		r.nets = 1
	}
	if r.s.Lose == NoWake {
		r.wakes = 1
	}
	if r.s.Lose == HastyProof {
		r.hasty = 1
	}
	w := &World{run: r}
	r.world = w
	r.s.Setup(w)
	for _, p := range r.processes {
		if p.body != nil {
			p := p
			r.newThread(p, func() {
				p.body()
				p.done = true
			})
		}
	}
	defer r.abort()
	for t := r.decide(); t != nil; t = r.chosen {
		r.current = t
		t.started = true
		t.c.resume()
		r.current = nil
		if t.finished && r.failure == nil {
			t.wrote = true
			r.last = nil
			r.chosen = r.decide()
		}
		if r.failure != nil {
			return true, r.failure
		}
	}
	if r.failure != nil {
		return true, r.failure
	}
	if r.chosen == nil && len(r.actions) > 0 {
		return false, nil // another run has been here
	}
	for _, t := range r.threads {
		if !t.finished && !t.p.dead && !t.serves {
			return true, fmt.Errorf("%s does not go on", t.p.name)
		}
	}
	if w.finally != nil {
		if err := w.finally(); err != nil {
			return true, fmt.Errorf("at the end: %w", err)
		}
	}
	return true, nil
}

// abort unwinds the threads that have not ended.
func (r *run) abort() {
	r.aborting = true
	for _, t := range r.threads {
		if t.started && !t.finished {
			t.c.resume() // to the end of its body
		}
		r.stable.giveBack(t.c)
	}
	for _, p := range r.processes {
		if p.Segment != nil {
			r.memory.Keep(p.Segment)
		}
	}
}

func (r *run) fail(err error) {
	if r.failure == nil {
		r.failure = err
	}
	r.chosen = nil
}

// decide has one thing after the other happen until it is a thread's turn, which it returns; nil at
// the end of the run.
func (r *run) decide() *thread {
	for r.failure == nil {
		r.enabled()
		if r.sharing.stale {
			return nil
		}
		if len(r.actions) == 0 {
			return nil
		}
		i := 0
		if len(r.actions) > 1 {
			if i = r.choose(r, r.actions); i == stop {
				return nil
			}
		}
		a := r.actions[i]
		switch a.kind {
		case goOn:
			return a.thread
		case arrive:
			r.say(a.thread, "its store of %#x at %s arrives", a.thread.buffer[0].v, r.place(a.thread.buffer[0].off))
			a.thread.drain(1)
		case push:
			r.deliver(a.watch)
		case timeout:
			r.timeOut(a.thread)
		case register:
			r.sayOf(a.actor, "is registered for membarrier")
			a.actor.registered = true
		case cancel:
			r.sayOf(a.actor, "its context ends")
			r.cancels--
			a.actor.canceled = true
			for _, t := range r.sleepers {
				if t.p == a.actor {
					r.rouse(t, word.Poked)
					break
				}
			}
		case kill:
			r.kill(a.actor)
		}
	}
	return nil
}

// enabled lists what can happen next. The thread that ran before comes first, so that the first runs
// of a search are those with the fewest switches.
func (r *run) enabled() {
	r.actions = r.actions[:0]
	if t := r.last; t != nil && t.ready() {
		r.actions = append(r.actions, action{kind: goOn, thread: t})
	}
	for _, t := range r.threads {
		if t != r.last && t.ready() {
			r.actions = append(r.actions, action{kind: goOn, thread: t})
		}
	}
	for _, t := range r.threads {
		if len(t.buffer) > 0 {
			r.actions = append(r.actions, action{kind: arrive, thread: t})
		}
		if t.asleep != nil && t.asleep.short && r.outlasted(t.asleep) {
			r.actions = append(r.actions, action{kind: timeout, thread: t})
		}
	}
	for _, p := range r.processes {
		for _, w := range p.watches {
			if w.target.dead && !w.pushed && !p.dead {
				r.actions = append(r.actions, action{kind: push, watch: w})
			}
		}
		if !p.registered && !p.dead && p.body != nil {
			r.actions = append(r.actions, action{kind: register, actor: p})
		}
	}
	if len(r.actions) == 0 && r.s.Net != NoNet || r.nets > 0 {
		for _, t := range r.threads {
			if t.asleep != nil && !t.asleep.short && t.asleep.word != nowhere {
				r.actions = append(r.actions, action{kind: timeout, thread: t})
			}
		}
	}
	if len(r.actions) == 0 {
		return // what follows need not happen, so it saves nobody who is stuck
	}
	for _, p := range r.processes {
		if p.dead || p.done || p.body == nil {
			continue
		}
		if r.deaths > 0 && p.Mortal && r.struck(p) {
			r.actions = append(r.actions, action{kind: kill, actor: p})
		}
		if r.cancels > 0 && p.Fickle && !p.canceled {
			r.actions = append(r.actions, action{kind: cancel, actor: p})
		}
	}
}

// outlasted reports whether the stores that were on their way when a short sleep began have arrived.
// Waiters without membarrier rely on it.
func (r *run) outlasted(s *sleep) bool {
	for i, n := range s.until {
		if r.threads[i].arrived < n {
			return false
		}
	}
	return true
}

func (t *thread) ready() bool {
	return !t.finished && !t.p.dead && t.asleep == nil && (t.blocked == nil || !*t.blocked)
}

// struck reports whether a kill of p here can leave another world behind than one before its last
// step did, or behind its next. What is stored plainly between two accesses comes before one that
// publishes it.
func (r *run) struck(p *Process) bool {
	for _, t := range p.threads {
		if !t.finished && (!t.started || t.wrote || t.writes || r.s.Fine) {
			return true
		}
	}
	return false
}

// kill ends a process for ever, between two of its steps. Its stores arrive, its locks are free.
func (r *run) kill(p *Process) {
	r.sayOf(p, "is killed")
	r.deaths--
	r.killed++
	for _, t := range p.threads {
		t.drain(len(t.buffer))
		if t.asleep != nil {
			r.forget(t)
		}
	}
	p.dead = true
	for off, by := range r.locks {
		if by == p {
			r.sharing.point(uint64(off)|lockedByte, p, true)
			delete(r.locks, off)
		}
	}
}

// deliver has a watcher told of a death.
func (r *run) deliver(w *watch) {
	r.sayOf(w.by, "is told that %s has died", w.target.name)
	w.pushed = true
	r.newThread(w.by, w.died)
}

// timeOut ends a sleep that nobody ended.
func (r *run) timeOut(t *thread) {
	r.say(t, "its sleep is over")
	if !t.asleep.short {
		if len(r.sleepers) > 0 && r.lastResort() {
			if r.idle++; r.idle > maxIdle {
				r.fail(fmt.Errorf("%s sleeps again and again, and nobody goes on", t.p.name))
				return
			}
		} else {
			r.nets--
		}
	}
	r.rouse(t, word.TimedOut)
}

// maxIdle is how many sleeps of a run may end by the safety net because nothing else can happen.
const maxIdle = 12

// lastResort reports whether nothing but a safety net can happen.
func (r *run) lastResort() bool {
	for _, a := range r.actions {
		if a.kind != timeout && a.kind != kill && a.kind != cancel {
			return false
		}
	}
	return true
}

// rouse ends t's sleep.
func (r *run) rouse(t *thread, outcome word.Outcome) {
	r.forget(t)
	t.outcome = outcome
}

// forget takes t off the sleepers.
func (r *run) forget(t *thread) {
	for i, o := range r.sleepers {
		if o == t {
			r.sleepers = append(r.sleepers[:i], r.sleepers[i+1:]...)
			break
		}
	}
	t.asleep = nil
}
