package ring_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

const (
	reserve linear.Kind = iota + closeReader + 1
	tryReserve
	commit
	peek
	tryPeek
	release
)

// The smallest ring has 64 KiB, so records are long enough that a few fill it.
const (
	ringSize    = 1 << 16
	shortest    = 12000
	longest     = 30000
	mostRecords = 5
)

// queued is a record in the ring, in words.
type queued struct{ word, length uint64 }

// records is a ring of bytes. What is reserved is no part of it.
type records struct {
	writer, reader heldEnd
	queue          [mostRecords]queued
	n              int
	at             uint64 // of the oldest record, in its line
}

func (s records) String() string {
	return fmt.Sprintf("writer %+v, reader %+v, records %#x", s.writer, s.reader, s.queue[:s.n])
}

var recordsModel = linear.Model[records]{
	Kinds: []string{"", "take writer", "take reader", "close writer", "close reader",
		"reserve", "try reserve", "commit", "peek", "try peek", "release"},
	Step: func(s records, op linear.Op) []records {
		ok := false
		switch op.Kind {
		case takeWriter:
			s.writer, ok = s.writer.take(op)
		case takeReader:
			s.reader, ok = s.reader.take(op)
		case closeWriter:
			s.writer, ok = s.writer.shut(op)
		case closeReader:
			s.reader, ok = s.reader.shut(op)
		case reserve, tryReserve:
			s, ok = s.reserve(op)
		case commit:
			if ok = s.writer.of(op) && s.fits(op.Args[1]); ok {
				s.queue[s.n] = queued{op.Args[0], op.Args[1]}
				s.n++
			}
		case peek, tryPeek:
			s, ok = s.peek(op)
		case release:
			if ok = s.reader.of(op) && s.n > 0; ok {
				s.at = behind(s.at, s.queue[0].length) % 64
				copy(s.queue[:], s.queue[1:])
				s.queue[mostRecords-1] = queued{}
				s.n--
			}
		}
		if !ok {
			return nil
		}
		return []records{s}
	},
	Die: func(s records, process int) records {
		s.writer.die(process)
		s.reader.die(process)
		return s
	},
}

// fits reports whether a record of that length has room, as docs/LAYOUT.md says it.
func (s records) fits(length uint64) bool {
	end := s.at
	for _, q := range s.queue[:s.n] {
		end = behind(end, q.length)
	}
	return behind(end, length)+8-s.at <= ringSize
}

// behind is where a record ends of which the first word is at that offset: its bytes begin at the next line, but for
// the very longest.
func behind(at, length uint64) uint64 {
	if at += 8; length <= ringSize-16-64 {
		at = (at + 63) / 64 * 64
	}
	return at + (length+7)/8*8
}

func (s records) reserve(op linear.Op) (records, bool) {
	cut, fits := op.Fate != linear.Returned, s.fits(op.Args[0])
	switch {
	case !s.writer.of(op):
		return s, false
	case !fits && op.Kind == reserve && s.reader.orphaned() && (cut || op.Code == linear.PeerDied):
		s.reader = heldEnd{}
		return s, true
	case cut:
		return s, true
	case s.reader.closed:
		return s, op.Code == linear.Closed
	case fits:
		return s, op.Code == linear.OK
	}
	return s, op.Code == linear.Refused || op.Code == linear.TimedOut
}

func (s records) peek(op linear.Op) (records, bool) {
	cut, empty := op.Fate != linear.Returned, s.n == 0
	switch {
	case !s.reader.of(op):
		return s, false
	case empty && op.Kind == peek && s.writer.orphaned() && (cut || op.Code == linear.PeerDied):
		s.writer = heldEnd{}
		return s, true
	case cut:
		return s, true
	case !empty:
		return s, op.Code == linear.OK && queued{op.Outs[0], op.Outs[1]} == s.queue[0]
	case s.writer.closed:
		return s, op.Code == linear.Closed
	}
	return s, op.Code == linear.Refused || op.Code == linear.TimedOut
}

// fill makes p a record that shows whether it is whole.
func fill(p []byte, word uint64) {
	for i := range len(p) / 8 {
		binary.LittleEndian.PutUint64(p[8*i:], word+uint64(i))
	}
}

// wordOf is what p was filled with, or 0, which nothing is filled with, if it is not whole.
func wordOf(p []byte) uint64 {
	if len(p) < 8 {
		return 0
	}
	word := binary.LittleEndian.Uint64(p)
	for i := range len(p) / 8 {
		if binary.LittleEndian.Uint64(p[8*i:]) != word+uint64(i) {
			return 0
		}
	}
	return word
}

// bytesEnder is ender for a ring of bytes.
var bytesEnder = linear.Func("bytes ender", func(ctx context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	b, err := ring.BytesFrom(seg, ref)
	if err != nil {
		return err
	}
	if c.Process%2 == 0 {
		w, err := takeEnd(c, takeWriter, b.Writer)
		for ; err == nil && w != nil && c.More(); c.Pause() {
			err = writeRecord(ctx, c, w)
		}
		return err
	}
	in, err := takeEnd(c, takeReader, b.Reader)
	for ; err == nil && in != nil && c.More(); c.Pause() {
		_, err = readRecord(ctx, c, in, !c.Waits())
	}
	return err
})

func writeRecord(ctx context.Context, c *linear.Client, w *ring.BytesWriter) error {
	n := shortest + c.Rand.IntN(longest-shortest+1)
	var p []byte
	var code linear.Code
	var err error
	if !c.Waits() {
		c.Invoke(tryReserve, uint64(n))
		p, err = w.TryReserve(n)
		code, err = noteTry(c, p != nil, err)
	} else {
		ctx, cancel := c.Patience(ctx)
		c.Invoke(reserve, uint64(n))
		p, err = w.Reserve(ctx, n)
		code, err = note(c, err)
		cancel()
	}
	if err != nil || code != linear.OK {
		return err
	}
	word := c.Unique()
	fill(p, word)
	if c.Rand.IntN(8) == 0 {
		return nil // what is reserved may be left
	}
	m := shortest + c.Rand.IntN(n-shortest+1)
	c.Invoke(commit, word, uint64(m))
	w.Commit(m)
	c.Return(linear.OK)
	return nil
}

func readRecord(ctx context.Context, c *linear.Client, in *ring.BytesReader, try bool) (linear.Code, error) {
	var p []byte
	var code linear.Code
	var err error
	if try {
		c.Invoke(tryPeek)
		p, err = in.TryPeek()
		code, err = noteTry(c, p != nil, err, wordOf(p), uint64(len(p)))
	} else {
		ctx, cancel := c.Patience(ctx)
		c.Invoke(peek)
		p, err = in.Peek(ctx)
		code, err = note(c, err, wordOf(p), uint64(len(p)))
		cancel()
	}
	if err != nil || code != linear.OK || c.Rand.IntN(8) == 0 {
		return code, err // what was looked at may be left
	}
	c.Invoke(release)
	in.Release()
	c.Return(linear.OK)
	return code, nil
}

func TestBytesIsLinearizableWhileItsEndsAreKilled(t *testing.T) {
	linear.Subject[shm.Ref, records]{
		Run: bytesEnder, Processes: 4, Clients: 1, Kills: 3,
		New: func(seg *shm.Segment, _ *rand.Rand) (shm.Ref, linear.Model[records], error) {
			b, err := ring.NewBytes(seg, 1)
			if err != nil {
				return shm.Ref{}, recordsModel, err
			}
			return b.Ref(), recordsModel, nil
		},
		Finish: finishRecords,
	}.Verify(t)
}

// finishRecords reads what is left, and closes both ends.
func finishRecords(ctx context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	b, err := ring.BytesFrom(seg, ref)
	if err != nil {
		return err
	}
	in, err := takeAtLast(c, takeReader, b.Reader)
	if err != nil {
		return err
	}
	read := func() (linear.Code, error) { return readRecord(ctx, c, in, true) }
	if err := drain(read, linear.Refused); err != nil {
		return err
	}
	w, err := takeAtLast(c, takeWriter, b.Writer)
	if err != nil {
		return err
	}
	if err := writeRecord(ctx, c, w); err != nil {
		return err
	}
	c.Invoke(closeWriter)
	if _, err := note(c, w.Close()); err != nil {
		return err
	}
	if err := drain(read, linear.Closed); err != nil {
		return err
	}
	c.Invoke(closeReader)
	_, err = note(c, in.Close())
	return err
}
