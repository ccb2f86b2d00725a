package codec

import "fmt"

// A row is values of a plain type, one behind the other, each in Size bytes. It takes one copy, however many they are.

// Flat reports whether values can stand in a row: T is plain, and takes memory.
func (c *Codec[T]) Flat() bool { return c.Size() > 0 }

// AppendRow writes vs, of a flat T, as a row behind dst, which is the caller's own memory.
func (c *Codec[T]) AppendRow(dst []byte, vs []T) []byte {
	at := len(dst)
	dst = append(dst, memoryOf(vs)...)
	if c.padding != nil {
		for row, n := dst[at:], c.Size(); len(row) > 0; row = row[n:] {
			zero(row[:n], c.padding)
		}
	}
	return dst
}

// DecodeRow reads into vs, of a flat T, what AppendRow, or a Put for each, wrote. On error, which is an ErrCorrupt, they are zero values. Src
// may be written to meanwhile.
func (c *Codec[T]) DecodeRow(src []byte, vs []T) error {
	p := memoryOf(vs)
	if len(src) != len(p) {
		clear(p)
		return fmt.Errorf("codec: %d of %v: %w: %d bytes, not %d", len(vs), c.typ, ErrCorrupt, len(src), len(p))
	}
	copy(p, src)
	if !c.careful {
		return nil
	}
	n := c.Size()
	for row := p; len(row) > 0; row = row[n:] {
		zero(row[:n], c.padding)
		if !areBools(row[:n], c.bools) {
			clear(p)
			return fmt.Errorf("codec: %v: %w: a bool that is neither 0 nor 1", c.typ, ErrCorrupt)
		}
	}
	return nil
}

// Get is the value of a flat T whose bytes are the first of src, which is the caller's own memory. The error is an ErrCorrupt.
func (c *Codec[T]) Get(src []byte) (T, error) {
	if c.careful || len(src) < sizeOf[T]() {
		return c.getChecked(src)
	}
	return *valueAt[T](src), nil
}

func (c *Codec[T]) getChecked(src []byte) (v T, err error) {
	err = c.decodeFlat(src[:min(len(src), sizeOf[T]())], &v)
	return v, err
}

// Put writes v, of a flat T, at the begin of dst, which has room for it.
func (c *Codec[T]) Put(dst []byte, v T) {
	if c.padding != nil {
		c.Clean(&v)
	}
	*valueAt[T](dst) = v
}

// View is the values of a flat T in row, which is the caller's own memory, as they lie there: to read them, if they need no checks, or to write
// them, if there is no padding in them. It reports false if there is something of either in T.
func (c *Codec[T]) View(row []byte) ([]T, bool) {
	if c.careful {
		return nil, false
	}
	return valuesIn[T](row), true
}
