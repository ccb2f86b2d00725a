package queue

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// PipeInfo is what a Pipe looks like to an observer of its segment.
type PipeInfo struct {
	Capacity uint64      `json:"capacity"`
	OneWay   bool        `json:"one_way"`
	Ends     [2]PipeSide `json:"ends"`
}

// PipeSide is one end of it.
type PipeSide struct {
	Handles int    `json:"handles"`
	Passing int    `json:"passing"` // of which there are Ends that are on their way
	Waiting uint64 `json:"waiting"` // messages that were sent from here, and not received
}

// String tells the state in words.
func (i PipeInfo) String() string {
	s := fmt.Sprintf("%d messages each way", i.Capacity)
	if i.OneWay {
		s = fmt.Sprintf("%d messages, one way", i.Capacity)
	}
	for n, e := range i.Ends {
		s += fmt.Sprintf(", end %d with %d handles", n, e.Handles)
		if e.Passing > 0 {
			s += fmt.Sprintf(" and %d on their way", e.Passing)
		}
		if n == 0 || !i.OneWay {
			s += fmt.Sprintf(" has sent %d that wait", e.Waiting)
		}
	}
	return s
}

// InspectPipe is for tools of this module: it describes o, a pipe in a segment that was opened for observation, and changes
// nothing. It fails with shm.ErrCorrupt, and with shm.ErrKind for other objects.
func InspectPipe(o segment.Object) (fmt.Stringer, error) {
	p, err := observed(o)
	if err != nil {
		return nil, err
	}
	info := PipeInfo{Capacity: uint64(p.Cap()), OneWay: p.state.flags&oneWay != 0}
	for n, s := range []*side{&p.here, &p.there} {
		for i := range s.shares {
			w := s.shares[i].Load()
			switch o, there := s.holder(w); {
			case there && w&moving != 0:
				info.Ends[n].Passing++
			case there && !p.seg.Swept(o):
				info.Ends[n].Handles++
			}
		}
	}
	for n, l := range []lane{p.out, p.in} {
		if l.queue != nil {
			info.Ends[n].Waiting, _ = l.glance()
		}
	}
	return info, nil
}

// CheckPipe is for tools of this module: it reports whether o, a pipe, is in a state that exists. It may run beside others
// at work, and changes nothing.
func CheckPipe(o segment.Object) error {
	p, err := observed(o)
	if err != nil {
		return err
	}
	for n, s := range []*side{&p.here, &p.there} {
		for i := range s.shares {
			if w := s.shares[i].Load(); w&7&^moving != 0 {
				return fmt.Errorf("share %d of end %d: %#x is no block's: %w", i, n, w, ErrCorrupt)
			}
		}
	}
	for _, l := range []lane{p.out, p.in} {
		if l.queue == nil {
			continue
		}
		for _, k := range []*segment.Lock{&l.puts, &l.gets} {
			if err := k.Check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// observed is the first end of a pipe, for one who only looks.
func observed(o segment.Object) (*pipe, error) {
	if o.Kind() != segment.KindPipe {
		return nil, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
	}
	return pipeOf(o, 0)
}
