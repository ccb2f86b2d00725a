package pool

// memory is what a Map works in. The next Map of the task takes it over: to have it fresh from the system, page by page, and to give it back, takes
// a long Map of short calls a sixth of its time. It is the garbage collector's if there is no next one.
type memory[In, Out any] struct {
	ring  []In
	spare []*inputs[In, Out]
}

// takeOver takes the memory of a Map before, if there is some.
func (m *mapping[In, Out]) takeOver() {
	if old, ok := m.task.memory.Get().(*memory[In, Out]); ok {
		m.ring, m.spare = old.ring, old.spare
	}
}

// handOn leaves the memory to the next Map. Nobody uses it any more: the drivers have ended, and so have taken, and cleared, all of the ring, and
// what is spare was yielded.
func (m *mapping[In, Out]) handOn() {
	for _, w := range m.spare {
		w.m = nil // nor the context of this Map, and what hangs on it
	}
	m.task.memory.Put(&memory[In, Out]{m.ring, m.spare})
	m.ring, m.spare = nil, nil
}
