package ring

// Sleepers is how many goroutines of this process wait at the ring.
func Sleepers[T any](m *MPMC[T]) int { return m.items.Queued() + m.room.Queued() }

// Kept is how many lanes other processes than m's have locked, and how much those lanes may hold together.
func Kept[T any](m *MPMC[T]) (lanes, room int) {
	quotas := m.hall.quotas.Load()
	for i := range m.lanes {
		if m.others(&m.lanes[i].lock) != 0 {
			lanes++
			room += int(m.quota(quotas, uint64(i)))
		}
	}
	return lanes, room
}
