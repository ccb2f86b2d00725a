package segment

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// Waiter is something that WaitAny waits for.
type Waiter interface {
	// Waits says what it is.
	Waits() Waits
}

// Waits is what makes that known which somebody waits for: the Events of some Points, which lie in segments, what happens in this process, or
// the close of a channel; and a look whether it is there, which does not block, takes nothing, and is true for what will not come any more.
type Waits struct {
	Points []*Point
	Bells  *Bells
	Done   <-chan struct{}
	Ready  func() bool
}

// Bells are those of who waits for what happens in this process. Its zero value has none.
type Bells struct {
	mu  sync.Mutex
	all map[chan struct{}]bool
}

// Ring has all of them look.
func (b *Bells) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for bell := range b.all {
		select {
		case bell <- struct{}{}:
		default: // it was rung already
		}
	}
}

func (b *Bells) add(bell chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[chan struct{}]bool)
	}
	b.all[bell] = true
}

func (b *Bells) remove(bell chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, bell)
}

// watch is one wait for the first of many. It is a folded wait at each of the points, all of which ring one bell, and it is in no
// point's queue: it takes nothing, so it need not wait for its turn, and no wake of others is lost on it. Its sleep is that of the goroutine.
type watch struct {
	bell   chan struct{}
	points []*Point
	folded []*waiter
	seqs   []uint32
	bells  []*Bells
	nets   int
	rested bool // it has slept since it had deaths pushed
	fenced bool // those who signal have been asked to fence
}

// WaitAny returns the first of those that are ready, as soon as there is one. It fails with ErrReadOnly for Points of an
// observer, and with the context's error.
func WaitAny(ctx context.Context, all []Waits) (int, error) {
	for _, a := range all {
		for _, p := range a.Points {
			if p.seg.observer {
				return -1, p.seg.Writable()
			}
		}
	}
	if i := readyOf(all); i >= 0 {
		return i, nil
	}
	if err := ctx.Err(); err != nil {
		return -1, err
	}
	w := &watch{bell: make(chan struct{}, 1)}
	cases := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(w.bell)},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())},
	}
	for _, a := range all {
		if a.Done != nil {
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(a.Done)})
		}
		if a.Bells != nil {
			w.bells = append(w.bells, a.Bells)
		}
		for _, p := range a.Points {
			if err := p.seg.Writable(); err != nil {
				return -1, err
			}
			w.join(p)
		}
	}
	for _, b := range w.bells {
		b.add(w.bell)
	}
	defer w.end()
	for {
		w.announce()
		if i := readyOf(all); i >= 0 {
			return i, nil
		}
		if err := ctx.Err(); err != nil {
			return -1, err
		}
		if w.fold() {
			reflect.Select(cases)
			w.unfold()
			w.rested = true
		}
	}
}

func readyOf(all []Waits) int {
	for i, a := range all {
		if a.Ready() {
			return i
		}
	}
	return -1
}

// join makes p one of the points.
func (w *watch) join(p *Point) {
	f := &waiter{folded: true, bell: bell{c: w.bell}}
	f.begin(p)
	w.points = append(w.points, p)
	w.folded = append(w.folded, f)
	w.seqs = append(w.seqs, 0)
	w.bells = append(w.bells, &p.seg.bells)
}

// announce marks all events, so that whatever is signalled from now on rings the bell, also by those who publish with plain
// stores: see futex.Barrier.
func (w *watch) announce() {
	select {
	case <-w.bell: // whatever it was rung for is seen by the look that follows
	default:
	}
	for i, f := range w.folded {
		w.seqs[i] = f.announce()
	}
	if w.fenced || len(w.points) == 0 || barrier() {
		return
	}
	w.fenced = true
	for _, p := range w.points {
		p.event.Demand()
	}
	// Who looked for marks before has arrived by then.
	time.AfterFunc(firstSleep+time.Millisecond, w.ring)
}

func (w *watch) ring() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// fold puts the waits on the hubs' lists, and has deaths pushed. It reports false if there is to be another look.
func (w *watch) fold() bool {
	again, doubt := false, false
	for _, p := range w.points {
		again = p.haveJoined(w.rested) && p.watchOthers() || again
		doubt = doubt || p.doubtful.Load()
	}
	w.rested = false
	if again {
		return false
	}
	limit := net
	if w.nets++; w.nets > manyNets && !doubt {
		limit = wideNet
	}
	for i, f := range w.folded {
		if !w.points[i].seg.foldAny(f, w.seqs[i], limit) {
			w.unfold()
			return false
		}
	}
	return true
}

// foldAny puts a waiter on the hub's list, unless there was a signal.
func (s *Segment) foldAny(w *waiter, seq uint32, limit time.Duration) bool {
	h := &s.hub
	h.mu.Lock()
	if s.IsClosed() || w.event.Moved(seq) {
		h.mu.Unlock()
		return false
	}
	early := s.enlist(w, seq, limit)
	h.mu.Unlock()
	if early {
		h.sleeper.Poke(s.doorbell().Word())
	}
	return true
}

// unfold takes the waits off the lists.
func (w *watch) unfold() {
	for i, f := range w.folded {
		h := &w.points[i].seg.hub
		h.mu.Lock()
		if f.at >= 0 {
			h.remove(f, futex.Poked)
		}
		h.mu.Unlock()
	}
}

func (w *watch) end() {
	w.unfold()
	for _, f := range w.folded {
		f.over()
	}
	for _, b := range w.bells {
		b.remove(w.bell)
	}
}
