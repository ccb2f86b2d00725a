package segment

import (
	"errors"
	"fmt"
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

// attaches are those of this process that are open, in the order in which they came. It only records.
var attaches struct {
	sync.Mutex
	of map[uint64][]weak.Pointer[Segment] // by the segment's id
}

// record has Reach find s.
func (s *Segment) record() *Segment {
	attaches.Lock()
	defer attaches.Unlock()
	if attaches.of == nil {
		attaches.of = make(map[uint64][]weak.Pointer[Segment])
	}
	attaches.of[s.id] = append(others(s.id, nil), weak.Make(s))
	return s
}

// erase ends that.
func (s *Segment) erase() {
	attaches.Lock()
	defer attaches.Unlock()
	if rest := others(s.id, s); len(rest) > 0 {
		attaches.of[s.id] = rest
	} else {
		delete(attaches.of, s.id)
	}
}

// others are the attaches to a segment that are alive, but for s.
func others(id uint64, s *Segment) (rest []weak.Pointer[Segment]) {
	for _, w := range attaches.of[id] {
		if one := w.Value(); one != nil && one != s {
			rest = append(rest, w)
		}
	}
	return rest
}

// Reach is the attach of this process through which it reaches what ref names: home, if that is one to the segment, or else
// the oldest that is open. It fails with ErrNotExist.
func Reach(home any, ref Ref) (*Segment, error) {
	if s, ok := home.(*Segment); ok && s != nil && s.id == ref.segment {
		return s, nil
	}
	attaches.Lock()
	defer attaches.Unlock()
	for _, w := range attaches.of[ref.segment] {
		if s := w.Value(); s != nil && !s.observer && !s.IsClosed() {
			return s, nil
		}
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
