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

// Rows of readers have their marks beside them.
type readingRows struct {
	_ structs.HostLayout

	next word.Uint64
	_    [segment.Line - 8]byte
	rows [lineRows]readingRow
}

// readingRow is what one process reads; see mark.
type readingRow struct {
	_ structs.HostLayout

	row   row
	bias  word.Uint64 // whether goroutines with marks may read
	marks [marks]word.Uint64
	_     [segment.Line - 24 - 8*marks]byte
}

// Rows of keepers of a Semaphore's permits.
type keepingRows struct {
	_ structs.HostLayout

	next word.Uint64
	_    [segment.Line - 8]byte
	rows [keeperRows]keepingRow
}

// keepingRow is what one process keeps; see keeper.
type keepingRow struct {
	_ structs.HostLayout

	row     row
	permits [keeperMarks]word.Uint64
	states  [keeperMarks]word.Uint64 // of these
	_       [segment.Line - 16 - 16*keeperMarks]byte
}

// keeping is the line that has a row of the form ofKeepers.
func (r *row) keeping() *keepingRow { return (*keepingRow)(unsafe.Pointer(r)) }

// reading is the line that has a row of the form ofReaders.
func (r *row) reading() *readingRow { return (*readingRow)(unsafe.Pointer(r)) }

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
	count       func(*row) uint64 // what a row has
}

var (
	sideBySide = formOf(8, func(b *packedRows) ([]row, *word.Uint64) { return b.rows[:], &b.next }, itself, (*row).counted)
	lineByLine = formOf(segment.Line, func(b *linedRows) ([]line, *word.Uint64) { return b.rows[:], &b.next },
		func(l *line) *row { return &l.row }, (*row).counted)
	ofReaders = formOf(segment.Line, func(b *readingRows) ([]readingRow, *word.Uint64) { return b.rows[:], &b.next },
		func(l *readingRow) *row { return &l.row }, (*row).reads)
	ofKeepers = formOf(segment.Line, func(b *keepingRows) ([]keepingRow, *word.Uint64) { return b.rows[:], &b.next },
		func(l *keepingRow) *row { return &l.row }, (*row).counted)
)

func itself(r *row) *row { return r }

func formOf[B, R any](align uint64, parts func(*B) ([]R, *word.Uint64), in func(*R) *row, count func(*row) uint64) *form {
	return &form{
		layout: segment.LayoutOf[B](), size: sizeOf[B](), align: align, count: count,
		in: func(o segment.Object) ([]*row, *word.Uint64) {
			all, next := parts(bodyOf[B](o))
			rows := make([]*row, len(all))
			for i := range all {
				rows[i] = in(&all[i])
			}
			return rows, next
		},
	}
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(packedRows{})-16-16*packed]
	_ = [1]struct{}{}[unsafe.Sizeof(linedRows{})-segment.Line-segment.Line*lineRows]
	_ = [1]struct{}{}[unsafe.Sizeof(line{})-segment.Line]
	_ = [1]struct{}{}[unsafe.Sizeof(readingRows{})-segment.Line-segment.Line*lineRows]
	_ = [1]struct{}{}[unsafe.Sizeof(readingRow{})-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(readingRow{}.row)]
	_ = [1]struct{}{}[unsafe.Sizeof(keepingRows{})-segment.Line-segment.Line*keeperRows]
	_ = [1]struct{}{}[unsafe.Sizeof(keepingRow{})-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(keepingRow{}.row)]
)
