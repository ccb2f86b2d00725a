package queue

// Sleeping is how many goroutines wait in calls of that end, in this process.
func Sleeping[S, R any](p *Pipe[S, R]) int { return p.out.room.Queued() + p.in.items.Queued() }
