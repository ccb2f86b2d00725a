package segment

// Bare takes away what comes before a waiter's long sleep and may hide what the barrier is for: the
// short sleep, and the pauses.
func Bare() { firstSleep, lingers = 0, 0 }

// WithoutBarrier takes the barrier away: the waiter is told that it was executed, or that there is none.
func WithoutBarrier(told bool) { barrier = func() bool { return told } }
