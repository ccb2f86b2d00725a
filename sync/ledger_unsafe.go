package sync

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// row is what one process has at stake in an object; see ledger.
type row struct {
	_ structs.HostLayout

	owner word.Uint64 // whose it is; 0: nobody's, and count is 0
	count word.Uint64
}

// A block of rows. Rows that are rarely written to lie side by side.
type packedRows struct {
	_ structs.HostLayout

	next word.Uint64 // the place of the next block, as in a Ref; 0: none
	_    uint64
	rows [packed]row
}

// Rows that processes write to all the time have lines of their own.
type linedRows struct {
	_ structs.HostLayout

	next word.Uint64
	_    [segment.Line - 8]byte
	rows [lineRows]line
}

type line struct {
	_ structs.HostLayout

	row row
	_   [segment.Line - 16]byte
}

// offsetOf is where a word lies in the segment.
func offsetOf(seg *segment.Segment, w *word.Uint64) uint64 {
	off, _ := seg.OffsetOf(unsafe.Pointer(w), 8)
	return off
}

// form is how rows lie in a block.
type form struct {
	layout      func() uint64
	size, align uint64
	in          func(segment.Object) ([]*row, *word.Uint64)
}

var (
	sideBySide = &form{
		layout: segment.LayoutOf[packedRows](), size: sizeOf[packedRows](), align: 8,
		in: func(o segment.Object) ([]*row, *word.Uint64) {
			b := bodyOf[packedRows](o)
			rows := make([]*row, len(b.rows))
			for i := range b.rows {
				rows[i] = &b.rows[i]
			}
			return rows, &b.next
		},
	}
	lineByLine = &form{
		layout: segment.LayoutOf[linedRows](), size: sizeOf[linedRows](), align: segment.Line,
		in: func(o segment.Object) ([]*row, *word.Uint64) {
			b := bodyOf[linedRows](o)
			rows := make([]*row, len(b.rows))
			for i := range b.rows {
				rows[i] = &b.rows[i].row
			}
			return rows, &b.next
		},
	}
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(packedRows{})-16-16*packed]
	_ = [1]struct{}{}[unsafe.Sizeof(linedRows{})-segment.Line-segment.Line*lineRows]
	_ = [1]struct{}{}[unsafe.Sizeof(line{})-segment.Line]
)
