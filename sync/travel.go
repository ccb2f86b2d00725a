package sync

import (
	"reflect"

	"github.com/kindred-ipc/kindred/internal/codec"
)

// Handles travel as their Refs: in messages of queues, in arguments of processes, in what maps and lists hold. The receiver
// resolves them in a segment of its own.

var _ = register()

func register() bool {
	for _, t := range []reflect.Type{
		reflect.TypeFor[Mutex](), reflect.TypeFor[RMutex](), reflect.TypeFor[RWMutex](), reflect.TypeFor[Semaphore](), reflect.TypeFor[Cond](),
		reflect.TypeFor[Event](), reflect.TypeFor[Barrier](), reflect.TypeFor[WaitGroup](), reflect.TypeFor[Once](),
	} {
		codec.Register(t)
	}
	return true
}

// MarshalBinary returns the Ref: a Mutex travels as that. It fails if the handle came from MutexAt.
func (m *Mutex) MarshalBinary() ([]byte, error) { return m.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (m *Mutex) UnmarshalBinary(b []byte) error { return m.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same Mutex in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as MutexFrom does.
func (m *Mutex) Resolve(home any) (*Mutex, error) { return resolved(&m.place, home, MutexFrom) }

// MarshalBinary returns the Ref: an RMutex travels as that. It fails if the handle came from RMutexAt.
func (m *RMutex) MarshalBinary() ([]byte, error) { return m.mu.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (m *RMutex) UnmarshalBinary(b []byte) error { return m.mu.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same RMutex in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as RMutexFrom does.
func (m *RMutex) Resolve(home any) (*RMutex, error) { return resolved(&m.mu.place, home, RMutexFrom) }

// MarshalBinary returns the Ref: an RWMutex travels as that. It fails if the handle came from RWMutexAt.
func (m *RWMutex) MarshalBinary() ([]byte, error) { return m.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (m *RWMutex) UnmarshalBinary(b []byte) error { return m.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same RWMutex in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as RWMutexFrom does.
func (m *RWMutex) Resolve(home any) (*RWMutex, error) { return resolved(&m.place, home, RWMutexFrom) }

// MarshalBinary returns the Ref: a Semaphore travels as that. It fails if the handle came from SemaphoreAt.
func (s *Semaphore) MarshalBinary() ([]byte, error) { return s.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (s *Semaphore) UnmarshalBinary(b []byte) error { return s.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same Semaphore in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as SemaphoreFrom does.
func (s *Semaphore) Resolve(home any) (*Semaphore, error) {
	return resolved(&s.place, home, SemaphoreFrom)
}

// MarshalBinary returns the Ref: a Cond travels as that. It fails if the handle came from CondAt.
func (c *Cond) MarshalBinary() ([]byte, error) { return c.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (c *Cond) UnmarshalBinary(b []byte) error { return c.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same Cond in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as CondFrom does.
func (c *Cond) Resolve(home any) (*Cond, error) { return resolved(&c.place, home, CondFrom) }

// MarshalBinary returns the Ref: an Event travels as that. It fails if the handle came from EventAt.
func (e *Event) MarshalBinary() ([]byte, error) { return e.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (e *Event) UnmarshalBinary(b []byte) error { return e.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same Event in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as EventFrom does.
func (e *Event) Resolve(home any) (*Event, error) { return resolved(&e.place, home, EventFrom) }

// MarshalBinary returns the Ref: a Barrier travels as that. It fails if the handle came from BarrierAt.
func (b *Barrier) MarshalBinary() ([]byte, error) { return b.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (b *Barrier) UnmarshalBinary(data []byte) error { return b.place.arrived(data) }

// Resolve is for the codec: it returns the handle of the same Barrier in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as BarrierFrom does.
func (b *Barrier) Resolve(home any) (*Barrier, error) { return resolved(&b.place, home, BarrierFrom) }

// MarshalBinary returns the Ref: a WaitGroup travels as that. It fails if the handle came from WaitGroupAt.
func (g *WaitGroup) MarshalBinary() ([]byte, error) { return g.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (g *WaitGroup) UnmarshalBinary(b []byte) error { return g.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same WaitGroup in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as WaitGroupFrom does.
func (g *WaitGroup) Resolve(home any) (*WaitGroup, error) {
	return resolved(&g.place, home, WaitGroupFrom)
}

// MarshalBinary returns the Ref: an Once travels as that. It fails if the handle came from OnceAt.
func (o *Once) MarshalBinary() ([]byte, error) { return o.place.carried() }

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (o *Once) UnmarshalBinary(b []byte) error { return o.place.arrived(b) }

// Resolve is for the codec: it returns the handle of the same Once in a segment of this process. It fails with shm.ErrNotExist if
// this is attached to none, and else as OnceFrom does.
func (o *Once) Resolve(home any) (*Once, error) { return resolved(&o.place, home, OnceFrom) }
