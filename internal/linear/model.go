package linear

import (
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Model is what a structure does when its operations come one after the other.
type Model[S comparable] struct {
	// Kinds are the names of the operations, those of Death, 0, left empty.
	Kinds []string
	// Init is the state in the beginning.
	Init S
	// Step is which states op may leave behind, if it takes effect in s and returns what it
	// returned: none if it cannot. If op.Fate is not Returned, what it would have returned is
	// unknown, and so all that count are states that differ from s.
	Step func(s S, op Op) []S
	// Die is what the end of a process, after its last operation, does to the state; nil: nothing.
	Die func(s S, process int) S
}

// world is a state, and who is dead in it.
type world[S comparable] struct {
	state S
	dead  uint64 // a bit for each process
}

// step is Step, with what all models have in common: a death comes behind all other operations of its
// process; and what was cut off may not have happened.
func (m *Model[S]) step(w world[S], op Op) []world[S] {
	bit := uint64(1) << op.Process
	if w.dead&bit != 0 {
		return nil
	}
	var next []world[S]
	switch {
	case op.Fate == Vanished:
	case op.Kind == Death:
		after := world[S]{state: w.state, dead: w.dead | bit}
		if m.Die != nil {
			after.state = m.Die(w.state, op.Process)
		}
		next = append(next, after)
	default:
		for _, s := range m.Step(w.state, op) {
			next = append(next, world[S]{state: s, dead: w.dead})
		}
	}
	if op.Fate == CutOff || op.Fate == Vanished {
		next = append(next, w)
	}
	return next
}

// checker is the model as porcupine has it: its states are sets of worlds.
func (m *Model[S]) checker() porcupine.Model {
	seed := maphash.MakeSeed()
	sets := porcupine.NondeterministicModel{
		Init: func() []any { return []any{world[S]{state: m.Init}} },
		Step: func(state, input, _ any) []any {
			var next []any
			for _, w := range m.step(state.(world[S]), input.(Op)) {
				next = append(next, w)
			}
			return next
		},
		Hash:              func(state any) uint64 { return maphash.Comparable(seed, state.(world[S])) },
		DescribeOperation: func(input, _ any) string { return m.describe(input.(Op)) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state.(world[S]).state) },
	}
	return sets.ToModel()
}

// operations is h as porcupine has it. Deaths get clients of their own: they come while the last
// operation of their process is under way.
func operations(h History) []porcupine.Operation {
	clients := 0
	for _, op := range h {
		clients = max(clients, op.Client+1)
	}
	all := make([]porcupine.Operation, len(h))
	for i, op := range h {
		client := op.Client
		if op.Kind == Death {
			client = clients + op.Process
		}
		all[i] = porcupine.Operation{ClientId: client, Input: op, Call: op.Call, Return: op.Return}
	}
	return all
}

// enough is how long a check may take. It takes milliseconds.
const enough = 20 * time.Second

// check reports whether some order of the operations explains h; porcupine.Unknown if there was not
// enough time.
func (m *Model[S]) check(h History) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(m.checker(), operations(h), enough)
}

// supposed is check for what would have to be if the i-th operation had that fate.
func (m *Model[S]) supposed(h History, i int, f Fate) porcupine.CheckResult {
	h = slices.Clone(h)
	h[i].Fate = f
	return m.check(h)
}
