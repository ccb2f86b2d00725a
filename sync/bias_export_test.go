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
