package shm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A multiprocessing.shared_memory.ShareableList of n items is words of 8 bytes, little-endian:
//
//	0            n
//	8            n+1 offsets of items, the last one is the end, counted from
//	16 + 8 n     the items
//	             n formats of 8 bytes, in the words of Python's module struct, padded with NUL
//	             n bytes that say what the format does not: 0 number, 1 str, 2 bytes, 3 None
const (
	listStr  = 1
	listNone = 3
)

// ShareableList reads the items of a Python ShareableList (as Python 3.11 and later have it) that lies in r: an int as int64, a
// float as float64, a bool, a str as string, bytes as []byte, and None as nil. NULs at the end of a str or of bytes are
// lost, as they are to Python.
//
// There is no lock: what Python changes meanwhile may come out half old, half new. It fails with ErrCorrupt if there is
// no such list in r, and with ErrClosed.
func (r *Raw) ShareableList() ([]any, error) {
	memory := make([]byte, r.Size()) // whatever others do to it, what is checked is what is used
	if _, err := r.ReadAt(memory, 0); err != nil {
		return nil, err
	}
	items, err := shareableList(memory)
	if err != nil {
		return nil, r.wrap("read a ShareableList in", err)
	}
	return items, nil
}

func shareableList(memory []byte) ([]any, error) {
	word := func(at uint64) uint64 { return binary.LittleEndian.Uint64(memory[at:]) }
	size := uint64(len(memory))
	if size < 16 || word(0) > (size-16)/8 {
		return nil, fmt.Errorf("no list fits into %d bytes: %w", size, ErrCorrupt)
	}
	n := word(0)
	begin := 16 + 8*n
	length := word(begin - 8)
	if length > size-begin || n > (size-begin-length)/9 {
		return nil, fmt.Errorf("list of %d items in %d bytes: %w", n, size, ErrCorrupt)
	}
	data, formats := memory[begin:][:length], memory[begin+length:]
	codes := formats[8*n:]
	items := make([]any, n)
	for i := range n {
		from, to := word(8+8*i), word(16+8*i)
		if from > to || to > length {
			return nil, fmt.Errorf("item %d of %d from %d to %d of %d: %w", i, n, from, to, length, ErrCorrupt)
		}
		format := string(bytes.TrimRight(formats[8*i:][:8], "\x00"))
		var err error
		if items[i], err = shareableItem(data[from:to], format, codes[i]); err != nil {
			return nil, fmt.Errorf("item %d of %d: %w", i, n, err)
		}
	}
	return items, nil
}

// shareableItem reads one item, whose slot may be longer than it is.
func shareableItem(slot []byte, format string, code byte) (any, error) {
	text, isText := strings.CutSuffix(format, "s")
	need := uint64(8)
	if isText {
		var err error
		if need, err = strconv.ParseUint(text, 10, 63); err != nil {
			return nil, fmt.Errorf("format %q: %w", format, ErrCorrupt)
		}
	}
	if need > uint64(len(slot)) {
		return nil, fmt.Errorf("format %q in %d bytes: %w", format, len(slot), ErrCorrupt)
	}
	switch {
	case code == listNone:
		return nil, nil
	case isText && code == listStr:
		return string(bytes.TrimRight(slot[:need], "\x00")), nil
	case isText:
		return append([]byte{}, bytes.TrimRight(slot[:need], "\x00")...), nil
	case format == "q":
		return int64(binary.LittleEndian.Uint64(slot)), nil
	case format == "d":
		return math.Float64frombits(binary.LittleEndian.Uint64(slot)), nil
	case format == "xxxxxxx?":
		return slot[7] != 0, nil
	}
	return nil, fmt.Errorf("format %q: %w", format, ErrCorrupt)
}
