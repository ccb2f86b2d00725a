package pool

import (
	"fmt"
	"structs"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// mailbox is where a call's short request is put for the worker, and, in another one, its short reply for the parent. A link has one call at a
// time, and a reply says that the request was read; so whoever puts a message in finds the mailbox free, without a look, and
// the same lines go to and fro. (In a ring each message is written to a line that the reader has had since the lap before, and the
// end mark behind it to the next one.)
//
// Who waits for a message waits at the ring that goes the same way. That has all others: long ones, those of sittings, of which several are under way,
// and what tasks ask for, which comes before their replies: see (*link).peek.
type mailbox struct {
	_ structs.HostLayout

	id      word.Uint64 // of the newest call that there was a message for; stored behind the message
	task    uint64      // and the rest of its head
	when    int64
	size    uint64
	outcome uint32
	types   uint32
	payload [mailboxSize - headSize]byte
}

const mailboxSize = 8 * segment.Line

// mailboxes are those of a worker. To go to them by its state, which the compiler looks at first, lest it be nil, would take the line of its claim
// from who writes that.
type mailboxes struct{ request, reply *mailbox }

func (s *workerState) boxes() mailboxes { return mailboxes{&s.request, &s.reply} }

// holds reports whether a payload of n bytes has room.
func (m *mailbox) holds(n int) bool { return n <= len(m.payload) }

// post puts a message in. Whoever may sleep at the ring is to be told of it: see (*ring.BytesWriter).Knock.
func (m *mailbox) post(h *head, payload []byte) {
	m.task, m.when, m.size, m.outcome, m.types = h.task, h.when, uint64(len(payload)), h.outcome, h.types
	copy(m.payload[:], payload)
	m.id.Store(h.id) // pairs with the load in has
}

// has reports whether there is a message for a call behind that one.
func (m *mailbox) has(behind uint64) bool { return m.id.Load() > behind }

// glance is has, asked for about as long as the answer to an empty call takes to come. If the message before had size bytes, this one's lines are
// asked for as well, all at once: so they come together, and not behind the first when there is a message.
func (m *mailbox) glance(behind, size uint64) bool {
	if size > uint64(len(m.payload)) {
		size = 0 // it came by the ring
	}
	for range glances {
		if m.has(behind) {
			return true
		}
		for at := uint64(firstLine); at < size; at += line {
			m.touch(at)
		}
		futex.Pause()
	}
	return false
}

// line is how many bytes lines have at least; firstLine how many of a payload lie on that of the id then.
const (
	line      = 64
	firstLine = line - headSize
)

const glances = 256

// take reads the message. The payload is a copy.
func (a *assembly) take(m *mailbox) error {
	size := m.size
	if a.open || size > uint64(len(m.payload)) {
		return fmt.Errorf("message of %d bytes in the mailbox: %w", size, errProtocol)
	}
	h := &a.head
	h.id, h.task, h.when, h.size, h.outcome, h.types = m.id.Load(), m.task, m.when, size, m.outcome, m.types
	a.payload = append(a.payload[:0], m.payload[:size]...)
	return nil
}
