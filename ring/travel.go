package ring

import (
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Rings travel as their Refs: in messages of queues, in arguments of processes, in what maps and lists hold. The receiver
// resolves them in a segment of its own.

// arrived is the object of a handle that can nothing but be resolved.
func arrived(b []byte) (segment.Object, error) {
	var ref shm.Ref
	err := ref.UnmarshalBinary(b)
	return segment.Unresolved(ref), err
}

// resolved is the handle that works of one that arrived.
func resolved[H any](o segment.Object, home any, from func(*shm.Segment, shm.Ref) (*H, error)) (*H, error) {
	seg, err := shm.Reach(home, o.Ref())
	if err != nil {
		return nil, err
	}
	return from(seg, o.Ref())
}

// MarshalBinary returns the Ref: an SPSC travels as that.
func (r *SPSC[T]) MarshalBinary() ([]byte, error) { return segment.Carry(r.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (r *SPSC[T]) UnmarshalBinary(data []byte) (err error) {
	r.object, err = arrived(data)
	return err
}

// Resolve is for the codec: it returns the handle of the same ring in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as SPSCFrom does.
func (r *SPSC[T]) Resolve(home any) (*SPSC[T], error) {
	return resolved(r.object, home, SPSCFrom[T])
}

// MarshalBinary returns the Ref: a Bytes travels as that.
func (b *Bytes) MarshalBinary() ([]byte, error) { return segment.Carry(b.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (b *Bytes) UnmarshalBinary(data []byte) (err error) {
	b.object, err = arrived(data)
	return err
}

// Resolve is for the codec: it returns the handle of the same ring in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as BytesFrom does.
func (b *Bytes) Resolve(home any) (*Bytes, error) {
	return resolved(b.object, home, BytesFrom)
}

// MarshalBinary returns the Ref: an MPMC travels as that.
func (m *MPMC[T]) MarshalBinary() ([]byte, error) { return segment.Carry(m.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (m *MPMC[T]) UnmarshalBinary(data []byte) (err error) {
	m.object, err = arrived(data)
	return err
}

// Resolve is for the codec: it returns the handle of the same ring in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as MPMCFrom does.
func (m *MPMC[T]) Resolve(home any) (*MPMC[T], error) {
	return resolved(m.object, home, MPMCFrom[T])
}

// MarshalBinary returns the Ref: a Broadcast travels as that.
func (b *Broadcast[T]) MarshalBinary() ([]byte, error) { return segment.Carry(b.Ref()) }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (b *Broadcast[T]) UnmarshalBinary(data []byte) (err error) {
	b.object, err = arrived(data)
	return err
}

// Resolve is for the codec: it returns the handle of the same ring in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as BroadcastFrom does.
func (b *Broadcast[T]) Resolve(home any) (*Broadcast[T], error) {
	return resolved(b.object, home, BroadcastFrom[T])
}
