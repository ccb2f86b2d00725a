package ring

import (
	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// In the tests of this package, and the processes that they start, lanes have biases most of the time.
func init() { bias.FirstEarns, bias.MostEarns, bias.Worth, aloneMask = 4, 64, 256, 0 }

// NoHolds has the heads of lanes get no bias to this process from now on.
func NoHolds() { aloneMask = 1<<64 - 1 }

// Lent is how many lanes have a bias to goroutines of others than m's process.
func Lent[T any](m *MPMC[T]) (lanes int) {
	for i := range m.lanes {
		if w := m.lanes[i].lock.Load(); w>>lockState&stateMask == stateBiased && segment.OwnerOf(w) != m.seg.Self() {
			lanes++
		}
	}
	return lanes
}

// Held is how many lanes' heads have a bias to goroutines of others than m's process, and how many of these are in the
// middle of a pop.
func Held[T any](m *MPMC[T]) (lanes, popping int) {
	for i := range m.lanes {
		w := m.lanes[i].head.Load()
		if w>>headState&stateMask == stateLocked {
			continue
		}
		if o, claim, err := claimed(m.seats, w); err == nil && o != m.seg.Self() {
			lanes++
			popping += int(claim & 1)
		}
	}
	return lanes, popping
}

// Biasing is whether there are biases on this system, in this build.
var Biasing = bias.Enabled && bias.Inlined

// Sleepers is how many goroutines of this process wait at the ring.
func Sleepers[T any](m *MPMC[T]) int { return m.items.Queued() + m.room.Queued() }

// Kept is how many lanes other processes than m's have locked, and how much those lanes may hold together.
func Kept[T any](m *MPMC[T]) (lanes, room int) {
	quotas := m.hall.quotas.Load()
	for i := range m.lanes {
		if o := pusher(m.seats, m.lanes[i].lock.Load()); o != 0 && o != m.seg.Self() {
			lanes++
			room += int(m.quota(quotas, uint64(i)))
		}
	}
	return lanes, room
}
