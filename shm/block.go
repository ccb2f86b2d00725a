package shm

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Block is memory of a segment's heap. It is this process's, more exactly this attach's, when it was
// allocated: the death of the process, or Close, gives it back. Settle hands it over to the segment, where
// it stays, whoever dies, until somebody frees it or takes it. A Block is a handle: copies of it mean the
// same memory, in this process; another one finds it by its Ref.
//
// Memory that was freed is handed out again, zeroed. A Block or a Ref that is out of date by then is found
// out (ErrStale), 16 million reuses of the same place at least; a slice that Bytes returned is not.
type Block struct{ b segment.Block }

// Alloc takes n bytes of the heap, 1 to what the segment has room for, all zero; the block may have some
// more. It begins at a multiple of 64 bytes. It fails with ErrNoSpace if the segment is full, if MaxBytes
// says so, or if the system has no memory, and with ErrSize, ErrReadOnly and ErrClosed.
//
// It does not block for blocks of up to 32 KiB (2 KiB in a segment of up to 4 MiB). For larger ones it takes
// the heap's lock, for some microseconds: one who is stopped in there keeps others waiting who want the same.
func (s *Segment) Alloc(n int) (Block, error) {
	if n < 1 {
		return Block{}, within("allocate in", s.engine, fmt.Errorf("%d bytes: %w", n, ErrSize))
	}
	b, err := s.engine.Alloc(uint64(n), 0)
	if err != nil {
		return Block{}, within("allocate in", s.engine, err)
	}
	return Block{b}, nil
}

// Block finds the block that ref names. It fails with ErrStale if that was freed, or is none, or is in another
// segment.
func (s *Segment) Block(ref Ref) (Block, error) {
	b, err := s.engine.Block(ref)
	if err != nil {
		return Block{}, within("find a block in", s.engine, err)
	}
	return Block{b}, nil
}

// Bytes is the block's memory, valid until the block is freed or the segment closed. It is the same memory in
// all processes, and nothing keeps them from using it at the same time.
func (b Block) Bytes() []byte { return b.b.Bytes() }

// Len is how many bytes the block has.
func (b Block) Len() int { return int(b.b.Size()) }

// Ref names the block in every process. It does not hand it over.
func (b Block) Ref() Ref { return b.b.Ref() }

// Settle hands the block over to the segment, in one step. Called again it does nothing. It fails with ErrStale
// if the block was freed, and with ErrInUse if it is another participant's.
func (b Block) Settle() error { return within("settle a block of", b.b.Segment(), b.b.Settle()) }

// Take makes a block that was handed over this attach's, in one step: one of those who want it gets it, and the
// others get ErrInUse. It fails with ErrStale if the block was freed.
func (b Block) Take() error { return within("take a block of", b.b.Segment(), b.b.Take()) }

// Free gives the block back. Its owner may free it, and anybody one that was handed over. It fails with
// ErrStale if it was freed before, and with ErrInUse if it is another participant's.
func (b Block) Free() error { return within("free a block of", b.b.Segment(), b.b.Free()) }

// Destroy gives an object's memory back, with all that it has of the heap, and takes its name away if it has one. Handles of
// it, in whatever process, must not be used any more: what they point at is somebody else's before long. A Ref is found out
// (ErrStale). An object that others keep (a Map, List or Namespace of package state in which it is stored) loses its name alone,
// and goes when the last of them lets it go; until then it is used as before. It takes the heap's lock. It fails with ErrStale if the object was destroyed before, and with
// ErrInUse if another process has made it and not passed on.
func (s *Segment) Destroy(ref Ref) error {
	return within("destroy an object of", s.engine, s.engine.Destroy(ref))
}

// Unname takes a name away from its object, which lives on, for those who have it, or a Ref to it. The name can
// be given to another object. It takes the heap's lock. It fails with ErrNotExist if no object has the name.
func (s *Segment) Unname(name string) error {
	return within("take a name away in", s.engine, s.engine.Unname(name))
}

// Stats is how the heap of a segment is used.
type Stats = segment.Stats

// Stats counts what is used and free, by size and by participant. It takes no lock, and others go on
// meanwhile, so the sums may be a little out of step.
func (s *Segment) Stats() Stats { return s.engine.Stats() }

// Check holds the structure of a segment against itself: every run and every block of the heap is accounted for
// once, every owner is there, every name is on an object, every slot in a state that exists. It returns nil,
// or an ErrCorrupt that says what is wrong and where. It may be called while others are at work, and on a segment
// whose users are all dead.
func Check(s *Segment) error { return s.Check() }
