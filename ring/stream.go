package ring

import (
	"context"
	"fmt"
	"io"
)

// StreamWriter writes a stream of bytes, without borders, into a Bytes ring. It is a view of the writing
// end, and like that for one goroutine at a time.
type StreamWriter struct {
	ctx context.Context
	w   *BytesWriter
}

// StreamReader reads a stream of bytes out of a Bytes ring, whatever the records are that they came in. It
// is a view of the reading end, and like that for one goroutine at a time.
type StreamReader struct {
	ctx context.Context
	r   *BytesReader
}

var (
	_ io.WriteCloser  = (*StreamWriter)(nil)
	_ io.StringWriter = (*StreamWriter)(nil)
	_ io.ReaderFrom   = (*StreamWriter)(nil)
	_ io.ReadCloser   = (*StreamReader)(nil)
	_ io.WriterTo     = (*StreamReader)(nil)
)

// streamParts is into how many parts the ring is divided for a stream: a record takes at most one, so that
// both sides work at once.
const streamParts = 4

// Stream returns the writing end as an io.Writer and an io.ReaderFrom, whose waits end with ctx.
func (w *BytesWriter) Stream(ctx context.Context) *StreamWriter { return &StreamWriter{ctx: ctx, w: w} }

// Stream returns the reading end as an io.Reader and an io.WriterTo, whose waits end with ctx. What was
// read of a record and what was not stays with the end, so that another Stream, or Peek, goes on there;
// whoever succeeds a reader that died begins with the first record that was not read to its end.
func (r *BytesReader) Stream(ctx context.Context) *StreamReader { return &StreamReader{ctx: ctx, r: r} }

// Write writes all of p, and blocks while there is no room. What the reader sees when the writer dies
// meanwhile is the begin of it. Errors: those of Reserve; n bytes are written then.
func (s *StreamWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:min(len(p), n+s.most())]
		if err := s.w.Push(s.ctx, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// WriteString is Write.
func (s *StreamWriter) WriteString(p string) (n int, err error) { return s.Write(textOf(p)) }

// most is the longest record of a stream.
func (s *StreamWriter) most() int { return int(s.w.ring.size/streamParts) - overhead }

// emptyReads is how often in a row a reader may return nothing, and no error.
const emptyReads = 100

// ReadFrom writes what it reads from src, straight into the ring, until src ends. Before each read it waits for room for the longest record of a
// stream, a quarter of the ring. What src returned when
// it failed is written. Errors: those of src but io.EOF, those of Reserve, and io.ErrNoProgress.
func (s *StreamWriter) ReadFrom(src io.Reader) (n int64, err error) {
	for empty := 0; empty < emptyReads; {
		b, err := s.w.Reserve(s.ctx, s.most())
		if err != nil {
			return n, err
		}
		m, err := src.Read(b)
		if m < 0 || m > len(b) {
			return n, fmt.Errorf("ring: a reader returned %d of %d bytes", m, len(b))
		}
		empty++
		if m > 0 {
			s.w.Commit(m)
			if err := s.w.lost(); err != nil {
				return n, err
			}
			n += int64(m)
			empty = 0
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, io.ErrNoProgress
}

// Close closes the writing end: the reader gets io.EOF behind what was written.
func (s *StreamWriter) Close() error { return s.w.Close() }

// Read reads up to len(p) bytes, at least one: it blocks while there is none, and not for more. It returns
// io.EOF when the writer closed and all is read. A writer that died is no end: that is ErrPeerDied, and
// whoever reads on waits for its successor. Errors: those of Peek.
func (s *StreamReader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for n == 0 {
		b, err := s.r.Peek(s.ctx)
		if err != nil {
			return 0, s.ended(err)
		}
		if n, err = s.take(p, b); err != nil {
			return 0, err
		}
	}
	for n < len(p) {
		b, err := s.r.next()
		if b == nil || err != nil {
			break // the next call says what is wrong
		}
		m, err := s.take(p[n:], b)
		if err != nil {
			break // what was taken before is taken
		}
		n += m
	}
	return n, nil
}

// take copies to p what it has room for of b, what is left of a record, and takes note that it was read, unless it may be Close's zeros.
func (s *StreamReader) take(p, b []byte) (int, error) {
	n := copy(p, b)
	if err := s.lost(); err != nil {
		clear(p[:n])
		return 0, err
	}
	return s.took(b, n), nil
}

// lost reports that the segment was closed, so that what was looked at last may be Close's zeros.
func (s *StreamReader) lost() error { return s.r.end.wrap("read from", s.r.end.usable()) }

// took takes note that n bytes of b, what is left of a record, were read, and returns n.
func (s *StreamReader) took(b []byte, n int) int {
	if n == len(b) {
		s.r.Release()
	} else {
		s.r.read += uint64(n)
	}
	return n
}

// ended makes the end of the stream io.EOF.
func (s *StreamReader) ended(err error) error {
	if ended(err) && s.r.end.usable() == nil {
		return io.EOF
	}
	return err
}

// WriteTo writes what comes to dst, straight from the ring, until the writer closed and all is read. What
// dst did not take is read next. When the segment is closed meanwhile, what dst gets last may be zeros, and is
// not counted. Errors: those of dst, those of Peek, and io.ErrShortWrite.
func (s *StreamReader) WriteTo(dst io.Writer) (n int64, err error) {
	for {
		b, err := s.r.Peek(s.ctx)
		if err != nil {
			if err = s.ended(err); err == io.EOF {
				err = nil
			}
			return n, err
		}
		if len(b) == 0 {
			s.r.Release()
			continue
		}
		m, err := dst.Write(b)
		if m < 0 || m > len(b) {
			return n, fmt.Errorf("ring: a writer took %d of %d bytes", m, len(b))
		}
		if err := s.lost(); err != nil {
			return n, err
		}
		n += int64(s.took(b, m))
		if err == nil && m < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return n, err
		}
	}
}

// Close closes the reading end: the writer's calls return ErrClosed, and what was not read is lost.
func (s *StreamReader) Close() error { return s.r.Close() }
