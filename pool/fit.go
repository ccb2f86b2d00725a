package pool

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kindred-ipc/kindred/internal/codec"
)

// fitted is the outcome of a task as it is sent where results have so many bytes at most: a result that is larger is an error, and of an error
// that is larger than leastLimit as well, a part comes.
func fitted(payload []byte, outcome uint32, limit uint64) ([]byte, uint32) {
	size := uint64(len(payload))
	switch {
	case size <= limit:
		return payload, outcome
	case outcome == outcomeResult:
		return tooLarge(size, limit), outcomeTooLarge
	case size <= leastLimit:
		return payload, outcome
	}
	most := int(max(limit, leastLimit))
	switch outcome {
	case outcomePanic:
		return cutPanic(payload, most), outcome
	case outcomeKnown:
		return cutKnown(payload, most)
	}
	return payload[:most], outcome
}

// tooLarge is the text of an outcomeTooLarge.
func tooLarge(size, limit uint64) []byte {
	return fmt.Appendf(nil, "%v: %d bytes, the limit is %d", ErrTooLarge, size, limit)
}

// cutPanic leaves of the value as much as of the stack, if both are long.
func cutPanic(payload []byte, most int) []byte {
	at := max(bytes.LastIndex(payload, []byte(panicSeparator)), 0)
	value, stack := payload[:at], payload[at:]
	value = value[:min(len(value), max(most/2, most-len(stack)))]
	stack = stack[:min(len(stack), most-len(value))]
	return append(bytes.Clone(value), stack...)
}

// cutKnown takes what is too much off the text, and leaves what the error is known by, if that alone is not too much.
func cutKnown(payload []byte, most int) ([]byte, uint32) {
	c, err := codec.For[told]()
	if err != nil {
		return payload[:most], outcomeError
	}
	var message told
	if err := c.Decode(payload, &message); err != nil {
		return payload[:most], outcomeError
	}
	text := message.Text
	message.Text = strings.ToValidUTF8(text[:max(len(text)+most-len(payload), 0)], "")
	if cut, err := c.Append(nil, message); err == nil && len(cut) <= most {
		return cut, outcomeKnown
	}
	return []byte(text[:min(len(text), most)]), outcomeError
}
