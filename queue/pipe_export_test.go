package queue

// Sleeping is how many goroutines wait in calls of that end, in this process.
func Sleeping[S, R any](p *Pipe[S, R]) int { return p.out.room.Queued() + p.in.items.Queued() }

// LeaveBox has the slot of the next message name a block, as one leaves it who dies in the middle of a send with the lock, and mends as
// the next does who gets that.
func LeaveBox[S, R any](p *Pipe[S, R]) error {
	b, err := p.seg.Alloc(boxHead, 0)
	if err != nil {
		return err
	}
	at := p.out.state.tail.Load()
	if err := b.Tie(p.out.offset(at) + boxAt); err != nil {
		return err
	}
	p.out.parcel(at).box = b.Place()
	p.out.mendPuts()
	return b.Settle()
}

// Midway receives the next message as Recv does, and calls do before it is taken.
func Midway[S, R any](p *Pipe[S, R], do func()) (v R, err error) {
	s, _ := p.arrived(sizeOf[R](), sizeOf[R]())
	if s == nil {
		return v, errEmpty
	}
	v = *text[R](s)
	do()
	return v, p.taken()
}

// Sent is what Send says of the message at that position, behind a look that finds nobody at the other end.
func Sent[S, R any](p *Pipe[S, R], at uint64) error { return p.pipe.sent(at, true) }
