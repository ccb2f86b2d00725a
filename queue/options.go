package queue

import (
	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Joinable makes a queue that knows of each message whether it is done: see Done and Join.
func Joinable() shm.ObjectOption {
	return func(s *segment.Spec) { s.Vary(segment.KindQueue, joinable) }
}

// FailWhenFull makes a queue whose Put fails with ErrFull where it would wait for room.
func FailWhenFull() shm.ObjectOption {
	return func(s *segment.Spec) { s.Vary(segment.KindQueue, failing) }
}

// DropOldest makes a queue whose Put drops the oldest message where it would wait for room. A segment that is full is no such case: Put
// fails with shm.ErrNoSpace. Where messages are large, MaxBytes has the queue drop before that.
func DropOldest() shm.ObjectOption {
	return func(s *segment.Spec) { s.Vary(segment.KindQueue, dropping) }
}

// MaxBytes bounds how many bytes all messages of a queue have together, beside how many there may be. Within a process, those who wait
// for room are served in their order, so a long message holds up a short one behind it. A message of
// plain memory has as many as the type; another one as many as it takes when it is encoded. 0 is no bound.
func MaxBytes(n int) shm.ObjectOption { return func(s *segment.Spec) { s.Bound = uint64(n) } }

// Leases makes a queue that hands messages out (Lease) until they are done (Ack): each is delivered at least once. What a process
// had that died, or closed the segment, is handed out again.
func Leases() shm.ObjectOption { return func(s *segment.Spec) { s.Vary(segment.KindQueue, leased) } }

// DeadTo is Leases with a queue for the dead, of the same messages and codec, in the same segment: a message that was handed out
// so often, 1 to 65,535 times, and came back, goes there. While that has no room, it waits; once that is shut down, or if it is larger than
// what that may have (MaxBytes), it is handed out again. It is moved by who next takes a message, or waits for one: nobody else does, and Join waits
// for it. Who is killed in the middle of that may leave it in both.
func DeadTo[T any](dead *Queue[T], deliveries int) shm.ObjectOption {
	return func(s *segment.Spec) {
		s.Vary(segment.KindQueue, leased)
		s.Limit = uint32(max(min(deliveries, maxDelivery+1), 0))
		if dead == nil {
			s.Limit = maxDelivery + 1 // New refuses that
			return
		}
		s.Heir = dead.Ref()
	}
}

// Codec is how messages are written, and read: with Through, in place of the one that comes with this module.
type Codec[T any] interface {
	// Append appends v, in a form that Decode reads.
	Append(b []byte, v T) ([]byte, error)
	// Decode reads what Append wrote into *v, which is zero. It must not keep b. The bytes may be a hostile process's.
	Decode(b []byte, v *T) error
}

// Through makes, or opens, a queue whose messages go through a codec of one's own. All who open it name the same.
func Through[T any](name string, c Codec[T]) shm.ObjectOption {
	own := codec.Own(name, c.Append, c.Decode)
	return func(s *segment.Spec) { s.Codec = own }
}

// Policy says how a call that cannot go on waits. A value that is none of these stands for Adaptive.
type Policy = futex.Policy

const (
	// Adaptive polls for as long as polling has paid off lately (2 to 50 µs), then sleeps. It is the default. Where more processes have
	// the queue open than there are CPUs, and many messages pass, it first yields the CPU a few times.
	Adaptive = futex.Adaptive
	// Spin polls for 200 µs each time, then sleeps: for pairs of processes with a CPU each.
	Spin = futex.Spin
	// Park sleeps at once: for processes that share CPUs with others.
	Park = futex.Park
)
