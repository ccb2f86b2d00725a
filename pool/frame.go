package pool

import (
	"encoding/binary"
	"fmt"
)

// A message may have the inputs of several calls, whose ids follow each other, or several of their results. Its payload is a row of
// frames: of each the length and, of a result, the outcome, in four bytes, and the bytes.

const (
	frameSize    = 4
	maxFrame     = 1<<24 - 1 // of the bytes in one
	outcomeShift = 24
)

// putFrame completes a frame, whose bytes stand behind the four at its begin.
func putFrame(frame []byte, outcome uint32) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameSize)|outcome<<outcomeShift)
}

// nextFrame takes the first frame off a row.
func nextFrame(row []byte) (b []byte, outcome uint32, rest []byte, err error) {
	if len(row) >= frameSize {
		word := binary.LittleEndian.Uint32(row)
		if end := frameSize + int(word&maxFrame); end <= len(row) {
			return row[frameSize:end:end], word >> outcomeShift, row[end:], nil
		}
	}
	return nil, 0, nil, fmt.Errorf("frame that does not end, in %d bytes: %w", len(row), errProtocol)
}
