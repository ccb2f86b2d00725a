package ring

// CastSleepers is how many goroutines wait at the ring through b's attach.
func CastSleepers[T any](b *Broadcast[T]) int {
	return b.cast.items.Queued() + b.cast.room.Queued() + b.cast.turns.Queued()
}

// Want marks the turn as wanted, as one does who dies then, or gives up.
func Want[T any](b *Broadcast[T]) {
	t := b.cast.load()
	b.cast.swap(t, t|turnWanted)
}
