package queue

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrDirection: messages do not go that way through a pipe that was made OneWay.
	ErrDirection = errors.New("messages go the other way")
	// ErrShares: one end of a pipe has as many handles, in all processes, as it can have.
	ErrShares = errors.New("too many handles of one end")
)

// ShortBufferError is what RecvInto returns when the message is longer than the buffer. It is an io.ErrShortBuffer.
type ShortBufferError struct {
	Message []byte // the whole message, which is taken
	Room    int    // bytes that the buffer has
}

func (e *ShortBufferError) Error() string {
	return fmt.Sprintf("message of %d bytes, and room for %d: %v", len(e.Message), e.Room, io.ErrShortBuffer)
}

// Unwrap is io.ErrShortBuffer.
func (e *ShortBufferError) Unwrap() error { return io.ErrShortBuffer }
