package sync

import "github.com/kindred-ipc/kindred/internal/bias"

// In the tests of this package, and the processes that they start, readers have biases most of the time.
func init() { bias.FirstEarns, bias.MostEarns, bias.Worth = 4, 64, 256 }

// Marks is how often the processes of m have it for reading by marks, whether this one's line has a bias, and how often
// its marks have served.
func (m *RWMutex) Marks() (by int, has bool, served uint64) {
	for _, r := range m.ledger.rows() {
		by += int(int32(r.reading().sum()))
	}
	if r := m.ledger.mine.Load(); r != nil {
		has, served = r.reading().bias.Load() == biased, r.reading().served()
	}
	return by, has, served
}

// Keeper is who keeps the permits of s, as its word says; 0: nobody does.
func (s *Semaphore) Keeper() int64 { return max(s.state.value.Load(), 0) }

// Kept is how often goroutines of this process that keep permits of s have taken and given some.
func (s *Semaphore) Kept() (n uint64) {
	for i := range s.keepers.keepers {
		if k := s.keepers.keepers[i].Load(); k != nil {
			n += k.served.Load()
		}
	}
	return n
}

// Forget has this process give all its marks anew, while nobody else of it is at work: for who has a place where another
// stack has the mark, perhaps its own former one.
func (s *Semaphore) Forget() {
	for i := range s.keepers.keepers {
		s.keepers.keepers[i].Store(nil)
	}
}

// Forget is the same for readers.
func (m *RWMutex) Forget() {
	for i := range m.ledger.marked.readers {
		m.ledger.marked.readers[i].Store(nil)
	}
}
