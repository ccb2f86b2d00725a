package proc

import (
	"slices"
	"strings"
	"sync"
)

// family is the children that this process has.
type family struct {
	mu sync.Mutex
	of map[*Process]struct{}
}

var children = family{of: make(map[*Process]struct{})}

func (f *family) add(p *Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.Alive() { // else it was removed before
		f.of[p] = struct{}{}
	}
}

func (f *family) remove(p *Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, p)
}

// Children returns the children of this process that have not ended, by their names. Those that are parked in a Warm
// are not among them.
func Children() []*Process {
	children.mu.Lock()
	defer children.mu.Unlock()
	all := make([]*Process, 0, len(children.of))
	for p := range children.of {
		if p.Alive() { // else it is about to be removed
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *Process) int { return strings.Compare(a.name, b.name) })
	return all
}
