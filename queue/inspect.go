package queue

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// QueueInfo is what a Queue looks like to an observer of its segment.
type QueueInfo struct {
	Length   uint64              `json:"length"`
	Capacity uint64              `json:"capacity"`
	ShutDown bool                `json:"shut_down"`
	Joinable bool                `json:"joinable"`
	Putter   segment.Participant `json:"putter"` // who has the lock of those who put; Owner 0: nobody
	Getter   segment.Participant `json:"getter"` // who has the lock of those who get; Owner 0: nobody
}

// String tells the state in words.
func (i QueueInfo) String() string {
	s := fmt.Sprintf("%d messages of %d", i.Length, i.Capacity)
	if i.ShutDown {
		s += ", shut down"
	}
	if i.Joinable {
		s += ", joinable"
	}
	if i.Putter.Owner != 0 {
		s += ", put into by " + i.Putter.String()
	}
	if i.Getter.Owner != 0 {
		s += ", taken from by " + i.Getter.String()
	}
	return s
}

// Inspect is for tools of this module: it describes o, an object of this package in a segment that was opened for
// observation, and changes nothing. It fails with shm.ErrCorrupt, and with shm.ErrKind for other objects.
func Inspect(o segment.Object) (fmt.Stringer, error) {
	if o.Kind() != segment.KindQueue {
		return nil, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
	}
	q, err := queueOf(o)
	if err != nil {
		return nil, err
	}
	info := QueueInfo{
		Capacity: q.capacity, ShutDown: q.isShut(), Joinable: q.flags&joinable != 0,
		Putter: q.holder(&q.puts), Getter: q.holder(&q.gets),
	}
	for range glances {
		var still bool
		if info.Length, still = q.glance(); still {
			break
		}
	}
	return info, nil
}

func (q *queue) holder(l *segment.Lock) segment.Participant {
	owner, _ := l.Holder()
	return q.seg.Participant(owner)
}

// Check is for tools of this module: it reports whether o, an object of this package, is in a state that exists. It may
// run beside others at work, and changes nothing.
func Check(o segment.Object) error {
	if _, err := Inspect(o); err != nil {
		return err
	}
	q, err := queueOf(o)
	if err != nil {
		return err
	}
	for i := range q.table {
		if err := q.seg.CheckOwner(segment.OwnerOf(q.table[i].owner.Load())); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	for i := range q.high() {
		if err := q.seg.CheckOwner(segment.OwnerOf(q.bay(i).owner.Load())); err != nil {
			return fmt.Errorf("bay %d: %w", i, err)
		}
	}
	for _, l := range []*segment.Lock{&q.puts, &q.gets} {
		if err := l.Check(); err != nil {
			return err
		}
	}
	return nil
}
