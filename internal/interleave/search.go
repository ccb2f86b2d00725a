//go:build interleave && (linux || darwin)

package interleave

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Result is what a search came to.
type Result struct {
	Complete  bool // every state was visited
	States    int  // that were different
	Schedules int  // runs
	Ended     int  // runs that came to their end; the others came to where another one had been
	Steps     int  // of all runs
	Deaths    int  // runs in which somebody was killed
	Nets      int  // the most sleeps of one run that nothing but the safety net ended
	Failure   *Failure
}

// String tells it in a line.
func (r Result) String() string {
	s := fmt.Sprintf("%d schedules (%d to the end, %d with a death), %d steps", r.Schedules, r.Ended, r.Deaths, r.Steps)
	switch {
	case r.Complete:
		s = fmt.Sprintf("all of %d states, %s", r.States, s)
	case r.States > 0:
		s = fmt.Sprintf("cut short at %d states, %s", r.States, s)
	}
	if r.Nets > 0 {
		s += fmt.Sprintf(", at most %d safety nets", r.Nets)
	}
	return s
}

// Failure is a run that came out wrong.
type Failure struct {
	Err     error
	Choices []int
	Trace   string // the run's steps
}

// Error says what is wrong, and how it came to that.
func (f *Failure) Error() string { return fmt.Sprintf("%v\n%s", f.Err, f.Trace) }

// Search visits every state of s, up to limit of them.
func Search(s Scenario, limit int) (Result, error) {
	memory, err := s.memory()
	if err != nil {
		return Result{}, err
	}
	defer memory.Close()
	shared := &sharing{users: make(map[uint64]*use)}
	horses := new(stable)
	defer horses.close()
	d := &search{visited: make(map[xxh3.Uint128]struct{}), limit: limit}
	for {
		r := &run{s: &s, memory: memory, sharing: shared, stable: horses, choose: d.choose}
		d.depth = 0
		ended, err := r.execute()
		if shared.stale && err == nil {
			shared.stale = false
			clear(d.visited)
			d.path, d.result = nil, Result{}
			continue
		}
		d.result.count(r, ended)
		if err != nil {
			d.result.States = len(d.visited)
			d.result.Failure = again(&s, memory, shared, horses, d.choices(), err)
			return d.result, nil
		}
		if d.confused != nil {
			return d.result, d.confused
		}
		if !d.next() {
			break
		}
		if len(d.visited) >= limit {
			d.result.States = len(d.visited)
			return d.result, nil
		}
	}
	d.result.States = len(d.visited)
	d.result.Complete = true
	d.result.Failure = d.audit(&s, memory, shared, horses)
	return d.result, nil
}

// audits is how many runs at random are held against a search that found nothing.
const audits = 200

// audit makes runs at random: all that they come to must have been visited, and be as it should. What is
// missing was taken for something else: a state that says too little.
func (d *search) audit(s *Scenario, memory *segment.Memory, shared *sharing, horses *stable) *Failure {
	for i := range audits {
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		lag := 1 + rng.IntN(8)
		var choices []int
		missing := false
		r := &run{s: s, memory: memory, sharing: shared, stable: horses, choose: func(r *run, actions []action) int {
			if _, ok := d.visited[r.state()]; !ok {
				missing = true
				return stop
			}
			choices = append(choices, pick(rng, actions, lag))
			return choices[len(choices)-1]
		}}
		_, err := r.execute()
		if missing {
			err = errors.New("the search has overlooked a state")
		}
		if err != nil {
			return again(s, memory, shared, horses, choices, err)
		}
	}
	return nil
}

func (s *Scenario) memory() (*segment.Memory, error) {
	size := s.Size
	if size == 0 {
		size = 16 << 10
	}
	return segment.NewMemory(size, slots)
}

// slots is how many participants a scenario's segment has room for, the auditor included.
const slots = 5

func (r *Result) count(run *run, ended bool) {
	r.Schedules++
	r.Steps += run.steps
	if ended {
		r.Ended++
	}
	if run.killed > 0 {
		r.Deaths++
	}
	r.Nets = max(r.Nets, run.idle)
}

// search is a walk, depth first, through the tree of all choices.
type search struct {
	result   Result
	visited  map[xxh3.Uint128]struct{}
	path     []fork
	depth    int // in path, of the run under way
	limit    int
	confused error
}

// fork is a place with more than one way, and the way that is taken.
type fork struct{ ways, way int }

func (d *search) choose(r *run, actions []action) int {
	d.depth++
	if d.depth <= len(d.path) {
		f := d.path[d.depth-1]
		if f.ways != len(actions) {
			d.confused = fmt.Errorf("not repeatable: %d ways after %d choices, and %d before", len(actions), d.depth, f.ways)
			return stop
		}
		return f.way
	}
	at := r.state()
	if _, ok := d.visited[at]; ok {
		return stop
	}
	d.visited[at] = struct{}{}
	d.path = append(d.path, fork{ways: len(actions)})
	return 0
}

// next takes the next way at the deepest fork that has one left.
func (d *search) next() bool {
	for len(d.path) > 0 {
		f := &d.path[len(d.path)-1]
		if f.way++; f.way < f.ways {
			return true
		}
		d.path = d.path[:len(d.path)-1]
	}
	return false
}

func (d *search) choices() []int {
	var all []int
	for _, f := range d.path[:min(d.depth, len(d.path))] {
		all = append(all, f.way)
	}
	return all
}

// again repeats a failed run, and writes its steps down.
func again(s *Scenario, memory *segment.Memory, shared *sharing, horses *stable, choices []int, first error) *Failure {
	f := &Failure{Err: first, Choices: slices.Clone(choices)}
	i := 0
	r := &run{s: s, memory: memory, sharing: shared, stable: horses, trace: new(strings.Builder), choose: func(_ *run, actions []action) int {
		i++
		if i > len(choices) {
			return 0
		}
		return min(choices[i-1], len(actions)-1)
	}}
	if _, err := r.execute(); err == nil || err.Error() != first.Error() && !strings.Contains(first.Error(), "panic") {
		f.Trace = fmt.Sprintf("when it was repeated, this came out: %v\n", err)
	}
	f.Trace += r.trace.String()
	return f
}

// Sample makes n runs at random, of which the i-th is repeated by the seed seed+i.
func Sample(s Scenario, seed uint64, n int) (Result, error) {
	memory, err := s.memory()
	if err != nil {
		return Result{}, err
	}
	defer memory.Close()
	var result Result
	shared := &sharing{all: true} // so that a run depends on its seed alone
	horses := new(stable)
	defer horses.close()
	for i := range n {
		rng := rand.New(rand.NewPCG(seed+uint64(i), 0))
		var choices []int
		lag := 1 + rng.IntN(8) // how seldom this run switches
		r := &run{s: &s, memory: memory, sharing: shared, stable: horses, choose: func(_ *run, actions []action) int {
			way := pick(rng, actions, lag)
			choices = append(choices, way)
			return way
		}}
		ended, err := r.execute()
		result.count(r, ended)
		if err != nil {
			result.Failure = again(&s, memory, shared, horses, choices, fmt.Errorf("seed %d: %w", seed+uint64(i), err))
			return result, nil
		}
	}
	return result, nil
}

// pick goes on with the thread that ran for some steps, and has a death seldom, so that it may come
// anywhere in the run.
func pick(rng *rand.Rand, actions []action, lag int) int {
	if actions[0].kind == goOn && rng.IntN(lag) > 0 {
		return 0
	}
	for {
		i := rng.IntN(len(actions))
		if k := actions[i].kind; k != kill && k != cancel || rng.IntN(12) == 0 {
			return i
		}
	}
}
