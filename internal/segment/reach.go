package segment

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"weak"

	"github.com/kindred-ipc/kindred/internal/codec"
)

var _ = register()

func register() bool {
	codec.Register(reflect.TypeFor[Ref]())
	return true
}

// attaches are those of this process that are open. It only records.
var attaches struct {
	sync.Mutex
	came uint64                                      // how many ever did
	of   map[uint64]map[weak.Pointer[Segment]]uint64 // by the segment's id: when each came
}

// record has Reach find s.
func (s *Segment) record() *Segment {
	attaches.Lock()
	defer attaches.Unlock()
	if attaches.of == nil {
		attaches.of = make(map[uint64]map[weak.Pointer[Segment]]uint64)
	}
	all := attaches.of[s.id]
	if all == nil {
		all = make(map[weak.Pointer[Segment]]uint64)
		attaches.of[s.id] = all
	}
	attaches.came++
	all[weak.Make(s)] = attaches.came
	if attaches.came&(attaches.came-1) == 0 { // seldom enough to cost nothing
		forget()
	}
	return s
}

// erase ends that.
func (s *Segment) erase() {
	attaches.Lock()
	defer attaches.Unlock()
	if all := attaches.of[s.id]; all != nil {
		if delete(all, weak.Make(s)); len(all) == 0 {
			delete(attaches.of, s.id)
		}
	}
}

// forget erases those that nobody closed, and nobody has any more.
func forget() {
	for id, all := range attaches.of {
		for w := range all {
			if w.Value() == nil {
				delete(all, w)
			}
		}
		if len(all) == 0 {
			delete(attaches.of, id)
		}
	}
}

// Reach is the attach of this process through which it reaches what ref names: home, if that is one to the segment, or else
// the oldest that is open. It fails with ErrNotExist.
func Reach(home any, ref Ref) (*Segment, error) {
	if s, ok := home.(*Segment); ok && s != nil && s.id == ref.segment {
		return s, nil
	}
	attaches.Lock()
	defer attaches.Unlock()
	var oldest *Segment
	first := uint64(math.MaxUint64)
	for w, came := range attaches.of[ref.segment] {
		if s := w.Value(); s != nil && came < first && !s.observer && !s.IsClosed() {
			oldest, first = s, came
		}
	}
	if oldest != nil {
		return oldest, nil
	}
	return nil, fmt.Errorf("%s is in segment %016x, to which this process is not attached: %w", ref, ref.segment, ErrNotExist)
}

// Misread is the error of a message that was not decoded: ErrCorrupt, unless it is one of a handle that cannot be resolved.
func Misread(err error) error {
	var unreached *codec.ResolveError
	if errors.As(err, &unreached) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// Unresolved is the Object that ref may name, of which nothing else is known: it has no Segment.
func Unresolved(ref Ref) Object {
	return Object{off: ref.Offset(), generation: ref.Generation(), layout: ref.segment}
}

// Carry is what the MarshalBinary of a handle returns, whose Ref that is.
func Carry(ref Ref) ([]byte, error) {
	if ref.IsZero() {
		return nil, errNoRef
	}
	return ref.MarshalBinary()
}

var errNoRef = errors.New("it is part of a struct, and has no Ref: send one to the struct")
