package segment

import (
	"fmt"
	"structs"
)

// Ref names an object wherever it is read: the segment's id, the place in it, and the generation
// that the place had, so that a Ref to something that is gone is noticed. It is plain memory of 16
// bytes; the zero Ref names nothing.
type Ref struct {
	_ structs.HostLayout

	segment uint64
	place   uint64 // offset/8 in the low 40 bits, generation in the high 24
}

const (
	refOffsetBits    = 40
	maxGeneration    = 1<<24 - 1
	firstGeneration  = 1
	refUnit          = 8
	refOffsetBitMask = 1<<refOffsetBits - 1
)

func makeRef(segment, offset uint64, generation uint32) Ref {
	return Ref{segment: segment, place: uint64(generation)<<refOffsetBits | offset/refUnit}
}

// RefAt is the Ref of what lies at place in s, as Place gave it.
func RefAt(s *Segment, place uint64) Ref { return Ref{segment: s.id, place: place} }

// RefOf names nothing but the segment of that id.
func RefOf(id uint64) Ref { return Ref{segment: id} }

// Place is r without its segment, for a word in that segment: offset and generation, never 0.
func (r Ref) Place() uint64 { return r.place }

// Segment is the id of the segment that the object is in.
func (r Ref) Segment() uint64 { return r.segment }

// Offset is the object's place, in bytes from the segment's start.
func (r Ref) Offset() uint64 { return r.place & refOffsetBitMask * refUnit }

// Generation is what the place's generation was when the Ref was made.
func (r Ref) Generation() uint32 { return uint32(r.place >> refOffsetBits) }

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// String gives segment, offset and generation in hexadecimal.
func (r Ref) String() string {
	return fmt.Sprintf("%016x+%x.%x", r.segment, r.Offset(), r.Generation())
}

// AppendBinary appends the 16 bytes of r, so that a Ref survives any codec.
func (r Ref) AppendBinary(b []byte) ([]byte, error) {
	b = appendUint64(b, r.segment)
	return appendUint64(b, r.place), nil
}

// MarshalBinary returns the 16 bytes of r.
func (r Ref) MarshalBinary() ([]byte, error) { return r.AppendBinary(make([]byte, 0, 16)) }

// UnmarshalBinary reads what MarshalBinary wrote.
func (r *Ref) UnmarshalBinary(b []byte) error {
	if len(b) != 16 {
		return fmt.Errorf("reference of %d bytes: %w", len(b), ErrCorrupt)
	}
	r.segment, r.place = readUint64(b), readUint64(b[8:])
	return nil
}
