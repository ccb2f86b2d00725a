package pool

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/bulk"
	"github.com/kindred-ipc/kindred/ring"
)

// A message is a request or a reply. It goes over a ring as one record, or as several in a row if it
// is too large for one: a head and as much of the payload as fits, then the rest. The reader knows
// from the head how much will come. A short one has another way, if it is that of a call: see mailbox.
type head struct {
	id      uint64 // of the call; never used twice in a worker's life
	task    uint64 // hash of the task's name
	when    int64  // request: the deadline in nanoseconds since 1970, 0 for none
	size    uint64 // of the payload
	outcome uint32 // reply: what the payload is
	types   uint32 // request: hash of the types of the task's input and result
}

const headSize = 40

func (h *head) put(b []byte) {
	binary.LittleEndian.PutUint64(b, h.id)
	binary.LittleEndian.PutUint64(b[8:], h.task)
	binary.LittleEndian.PutUint64(b[16:], uint64(h.when))
	binary.LittleEndian.PutUint64(b[24:], h.size)
	binary.LittleEndian.PutUint32(b[32:], h.outcome)
	binary.LittleEndian.PutUint32(b[36:], h.types)
}

func (h *head) get(b []byte) bool {
	if len(b) < headSize {
		return false
	}
	h.id = binary.LittleEndian.Uint64(b)
	h.task = binary.LittleEndian.Uint64(b[8:])
	h.when = int64(binary.LittleEndian.Uint64(b[16:]))
	h.size = binary.LittleEndian.Uint64(b[24:])
	h.outcome = binary.LittleEndian.Uint32(b[32:])
	h.types = binary.LittleEndian.Uint32(b[36:])
	return true
}

// progress is how much of a message was sent.
type progress int

const (
	sentNone progress = iota
	sentPart          // the ring can be used no further
	sentAll
)

// send writes a message, in records of at most the given length, and says how much of it in any case.
func send(ctx context.Context, w *ring.BytesWriter, longest int, h *head, payload []byte) (progress, error) {
	first := min(len(payload), longest-headSize)
	record, err := w.Reserve(ctx, headSize+first)
	if err != nil {
		return sentNone, err
	}
	commit(w, record, h, payload, first)
	for rest := payload[first:]; len(rest) > 0; {
		record, err := w.Reserve(ctx, min(len(rest), longest))
		if err != nil {
			return sentPart, err
		}
		n := bulk.Copy(record, rest)
		w.Commit(n)
		rest = rest[n:]
	}
	return sentAll, nil
}

// trySend writes a message that one record holds, if there is room, and reports whether there was.
func trySend(w *ring.BytesWriter, h *head, payload []byte) (bool, error) {
	record, err := w.TryReserve(headSize + len(payload))
	if record == nil || err != nil {
		return false, err
	}
	commit(w, record, h, payload, len(payload))
	return true, nil
}

// commit commits the record that begins the message, with the first bytes of its payload.
func commit(w *ring.BytesWriter, record []byte, h *head, payload []byte, first int) {
	h.size = uint64(len(payload))
	h.put(record)
	bulk.Copy(record[headSize:], payload[:first])
	w.Commit(len(record))
}

// assembly puts a message together from its records.
type assembly struct {
	limit   uint64 // of a payload
	head    head
	payload []byte
	open    bool // more records follow
}

// add takes the next record, and reports whether the message is complete. The payload is a copy, in
// memory that the next message takes over. Memory is taken for what has come, four times as much at most, not for what the head
// announces.
func (a *assembly) add(record []byte) (bool, error) {
	lead := 0
	if !a.open {
		if !a.head.get(record) {
			return false, fmt.Errorf("head of %d bytes: %w", len(record), errProtocol)
		}
		if a.head.size > a.limit {
			return false, fmt.Errorf("%d bytes announced, the limit is %d: %w", a.head.size, a.limit, errProtocol)
		}
		a.payload = a.payload[:0]
		lead = headSize
	} else if len(record) == 0 {
		return false, fmt.Errorf("empty part: %w", errProtocol)
	}
	part := uint64(len(record) - lead)
	if rest := a.head.size - uint64(len(a.payload)); part > rest {
		return false, fmt.Errorf("%d bytes, %d were announced: %w", part, rest, errProtocol)
	}
	if need := uint64(len(a.payload)) + part; need > uint64(cap(a.payload)) {
		a.payload = append(make([]byte, 0, min(4*need, a.head.size)), a.payload...) // append grows what is large by a quarter, and copies it each time
	}
	a.payload = append(a.payload, record[lead:]...)
	a.open = uint64(len(a.payload)) < a.head.size
	return !a.open, nil
}

// leastLimit is how many bytes a message may have in any case: what a task's error says.
const leastLimit = 16 << 10

// maxKept is how large a buffer may be that is kept for the next message.
const maxKept = 1 << 20

// kept is what is kept of a buffer that is not used any more.
func kept(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	return b[:0]
}
