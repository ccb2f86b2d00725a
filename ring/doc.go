// Package ring has rings between processes.
//
// Those of two ends, SPSC and Bytes, are lock-free: no process that is stopped keeps another from what it can do by itself. Writers of a
// Broadcast take turns, and those who push to an MPMC have lanes: what one of them that is stopped keeps from others is said there, and a
// dead one keeps nothing.
//
// # Basics
//
// A ring lies in a segment (package shm). SPSC and Bytes have two ends, each held by one process at a time:
//
//	r, err := ring.NewSPSC[uint64](seg, 1024, shm.Named("ticks"))
//	w, err := r.Writer()            // in one process
//	err = w.Push(ctx, 42)
//
//	r, err := ring.OpenSPSC[uint64](seg, "ticks")
//	in, err := r.Reader()           // in another
//	v, err := in.Pop(ctx)
//
// SPSC carries values of one plain type (no pointers, checked once when the ring is made or opened).
// Bytes carries records of any length, pushed by one copy or written in place, and read in place.
//
// Many values at a time cost less: PushN and PopN copy them, Reserve and Commit write them where they
// stay, Peek and Release read them there. A Run of slots is good until it is committed or released, or
// until the next call of its end that takes it back; it must not be used after that, nor after Close.
//
// Records are batched by PushN and PeekN, or by Append and Flush where they are written in place. Where borders do not matter, Stream makes of either end of
// a Bytes ring what package io knows: io.Copy goes through it in place, and the reader gets io.EOF when the
// writer closed and all is read.
//
// Broadcast carries values from any number of writers to any number of subscribers, each of which sees all
// of them:
//
//	b, err := ring.NewBroadcast[uint64](seg, 1024, shm.Named("news"))
//	w, err := b.Writer()
//	err = w.Push(ctx, 42)
//
//	b, err := ring.OpenBroadcast[uint64](seg, "news")
//	s, err := b.Subscribe()         // or ring.FromOldest(), ring.Blocking()
//	v, err := s.Next(ctx)           // a Lapped says how many were missed
//
// MPMC carries values of one plain type from any number of processes to any number of others; it has no
// ends to be taken, and its methods may be called by any number of goroutines:
//
//	m, err := ring.NewMPMC[Job](seg, 1024, shm.Named("jobs"))
//	err = m.Push(ctx, Job{...})     // in any process
//	job, err := m.Pop(ctx)          // in any other
//
// The handles of the ends of SPSC, Bytes and Broadcast are not safe for concurrent use: one goroutine at a time.
//
// # Speed
//
// A value's slot carries its own sequence, so a message moves one cache line; no shared index is
// polled; and on amd64 a push or pop with nobody asleep executes no locked instruction and makes no
// system call. The blocking calls poll for a while and then sleep in the kernel; see Policy.
//
// A long stream is several times as fast where the reader is not always right behind the writer: in a ring that is larger than
// the cache which a CPU has for itself (4 MiB rather than 256 KiB), with records of some KiB, or small ones that are appended and
// flushed by the thousand.
//
// # Death and closing
//
// Either side may die between any two instructions. What was pushed is there, once; what was not
// is not; of a batch, the first values may be there and the others not. What the reader had taken is gone
// with it; what it looked at by Peek and did not release is there for the next one. A blocked call drains what there is, then
// returns ErrPeerDied once; called again it waits for a successor. A successor takes the end that
// the dead one had, and goes on exactly where that one stopped; if it is there before the other side
// has noticed the death, the stream just goes on.
//
// Close on the writer ends the stream: the reader drains and gets ErrClosed. Close on the reader
// makes the writer's calls return ErrClosed.
//
// The writers and subscribers of a Broadcast are told of no death: they go on with those who are left.
//
// A process that is stopped is not dead: the other side waits for it. At an MPMC ring others do what it did; what
// it keeps from them is said at MPMC.
//
// An MPMC ring tells nobody of deaths, because others may come. What a killed process had pushed is there;
// what it had taken and not returned to its caller is counted (see MPMC.Lost); and Close, from any process,
// ends the stream for all.
//
// # The race detector
//
// It is told that a push happens before the pop of what was pushed, and that pop before the push that uses
// the room again, for what goroutines of one process do in Go's heap. It sees nothing of what lies in a
// segment.
package ring
