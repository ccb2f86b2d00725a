package shm

import (
	"reflect"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/keeper"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Register lets values of type T travel in an any: in messages, in arguments of processes, in what maps and lists hold.
// Both sides call it, before the first of them comes; to call it again changes nothing. Basic types, time.Time, *big.Int, the
// handles of package sync, and slices, maps, arrays and pointers of what is registered need no call.
//
// It panics if another type of the program has the same name, which is its package's path and its own.
func Register[T any]() { codec.Register(reflect.TypeFor[T]()) }

// Reach is for the packages of this module: it is the segment of what ref names, as this process is attached to it. home is the
// one that it is expected in, or nil. A segment to which this process is not attached it attaches to, if its file can be had (see package
// internal/keeper). It fails with ErrNotExist.
func Reach(home any, ref Ref) (*Segment, error) {
	s, err := segment.Reach(home, ref)
	if err != nil {
		s, err = keeper.Segment(home, ref)
	}
	if err != nil {
		return nil, err
	}
	return &Segment{engine: s}, nil
}
