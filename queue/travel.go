package queue

import (
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

var _ = register()

// register has an End travel in an any.
func register() bool {
	shm.Register[End]()
	return true
}

// MarshalBinary returns the Ref: a Queue travels as that, in messages of queues, in arguments of processes, in what maps and
// lists hold. The receiver resolves it in a segment of its own.
func (q *Queue[T]) MarshalBinary() ([]byte, error) {
	if q.queue == nil {
		return segment.Carry(shm.Ref{})
	}
	return segment.Carry(q.Ref())
}

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (q *Queue[T]) UnmarshalBinary(b []byte) error {
	q.queue = new(queue)
	return q.ref.UnmarshalBinary(b)
}

// Resolve is for the codec: it returns the handle of the same Queue in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as From does.
func (q *Queue[T]) Resolve(home any) (*Queue[T], error) {
	seg, err := shm.Reach(home, q.ref)
	if err != nil {
		return nil, err
	}
	return From[T](seg, q.ref)
}
