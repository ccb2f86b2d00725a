package crashcases

import (
	"context"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// medium is a ring of either kind.
type medium interface {
	writer() (sender, error)
	reader() (receiver, error)
	length() (int, error)
}

type sender interface {
	push(ctx context.Context, i item) error
	tryPush(i item) (bool, error)
	Close() error
}

type receiver interface {
	pop(ctx context.Context) (item, error)
	tryPop() (item, bool, error)
	Close() error
}

// kind makes and finds rings of one kind.
type kind struct {
	room   int64 // bytes that the segment of a trial has for objects
	create func(seg *shm.Segment) (medium, error)
	open   func(seg *shm.Segment) (medium, error)
}

const name = "ring"

// capacity is small, so that it is soon full, and large enough for the reader to give back more than
// one slot at a time.
const capacity = 8

type values struct{ *ring.SPSC[item] }

var (
	ofValues = valuesIn(capacity)
	// ofMore has room for a reader to read several values ahead.
	ofMore = valuesIn(4 * capacity)
)

func valuesIn(capacity int) kind {
	return kind{
		create: func(seg *shm.Segment) (medium, error) {
			r, err := ring.NewSPSC[item](seg, capacity, shm.Named(name))
			return values{r}, err
		},
		open: func(seg *shm.Segment) (medium, error) {
			r, err := ring.OpenSPSC[item](seg, name)
			return values{r}, err
		},
	}
}

func (v values) length() (int, error) { return v.Len(), nil }

func (v values) writer() (sender, error) {
	w, err := v.Writer()
	return valueWriter{w}, err
}

func (v values) reader() (receiver, error) {
	r, err := v.Reader()
	return valueReader{r}, err
}

type valueWriter struct{ *ring.Writer[item] }

func (w valueWriter) push(ctx context.Context, i item) error { return w.Push(ctx, i) }

func (w valueWriter) tryPush(i item) (bool, error) { return w.TryPush(i) }

type valueReader struct{ *ring.Reader[item] }

func (r valueReader) pop(ctx context.Context) (item, error) { return r.Pop(ctx) }

func (r valueReader) tryPop() (item, bool, error) { return r.TryPop() }

// records is a Bytes ring. Items of the setup are as long as the case wants them.
type records struct {
	*ring.Bytes
	long func(i item) int
}

// bytesRoom is what a Bytes ring needs, which lies on a multiple of 64 KiB and is as long.
const bytesRoom = 192 << 10

// ofRecords makes rings with items of itemSize, but for those of the setup, if long says so.
func ofRecords(long map[uint64]int) kind {
	length := func(i item) int {
		if n := long[i.Number]; n > 0 && i.By == bySetup {
			return n
		}
		return itemSize
	}
	return kind{
		room: bytesRoom,
		create: func(seg *shm.Segment) (medium, error) {
			b, err := ring.NewBytes(seg, 1, shm.Named(name))
			return records{b, length}, err
		},
		open: func(seg *shm.Segment) (medium, error) {
			b, err := ring.OpenBytes(seg, name)
			return records{b, length}, err
		},
	}
}

func (r records) length() (int, error) { return r.Len() }

func (r records) writer() (sender, error) {
	w, err := r.Writer()
	return recordWriter{w, r.long}, err
}

func (r records) reader() (receiver, error) {
	in, err := r.Reader()
	return recordReader{in}, err
}

type recordWriter struct {
	*ring.BytesWriter
	long func(i item) int
}

func (w recordWriter) push(ctx context.Context, i item) error {
	record, err := w.Reserve(ctx, w.long(i))
	if err == nil {
		i.encode(record)
		w.Commit(len(record))
	}
	return err
}

func (w recordWriter) tryPush(i item) (bool, error) {
	record, err := w.TryReserve(w.long(i))
	if record == nil || err != nil {
		return false, err
	}
	i.encode(record)
	w.Commit(len(record))
	return true, nil
}

type recordReader struct{ *ring.BytesReader }

func (r recordReader) pop(ctx context.Context) (item, error) {
	record, err := r.Peek(ctx)
	if err != nil {
		return item{}, err
	}
	i, err := decode(record)
	r.Release()
	return i, err
}

func (r recordReader) tryPop() (item, bool, error) {
	record, err := r.TryPeek()
	if record == nil || err != nil {
		return item{}, false, err
	}
	i, err := decode(record)
	r.Release()
	return i, err == nil, err
}
