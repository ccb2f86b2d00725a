package codec

import (
	"encoding/binary"
	"fmt"
)

// The decoder takes time that grows with the square of the number of tags in a row, and nearly with the square of
// the length of a number that it has to call too large for an int. Both have a limit here, so that a hostile
// megabyte is done with in milliseconds, as an honest one is.
const (
	maxTagsInRow = 16
	maxBigInt    = 64 << 10 // bytes: numbers of 150,000 decimal digits
)

var (
	errTags   = fmt.Errorf("more than %d tags in a row", maxTagsInRow)
	errBigInt = fmt.Errorf("a number of more than %d bytes", maxBigInt)
)

// checkTags holds b, one CBOR item, against these limits. Bytes that are no CBOR at all pass: the decoder sees to
// them.
func checkTags(b []byte) error {
	const byteString, textString, tag = 2, 3, 6
	const positiveBigInt, negativeBigInt = 2, 3

	// Items lie one after the other whatever their nesting, and all but strings are a head alone.
	tags, bigInt := 0, false
	for len(b) > 0 {
		major, n, size := b[0]>>5, uint64(b[0]&31), 1
		if n >= 24 {
			if n > 27 {
				return nil
			}
			size += 1 << (n - 24)
			if len(b) < size {
				return nil
			}
			var arg [8]byte
			copy(arg[9-size:], b[1:size])
			n = binary.BigEndian.Uint64(arg[:])
		}
		b = b[size:]

		switch major {
		case tag:
			if tags++; tags > maxTagsInRow {
				return errTags
			}
			bigInt = n == positiveBigInt || n == negativeBigInt
			continue
		case byteString, textString:
			if n > uint64(len(b)) {
				return nil
			}
			if bigInt && n > maxBigInt {
				return errBigInt
			}
			b = b[n:]
		}
		tags, bigInt = 0, false
	}
	return nil
}
