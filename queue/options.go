package queue

import (
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Joinable makes a queue that knows of each message whether it is done: see Done and Join.
func Joinable() shm.ObjectOption { return func(s *segment.Spec) { s.Variant |= joinable } }

// FailWhenFull makes a queue whose Put fails with ErrFull where it would wait for room.
func FailWhenFull() shm.ObjectOption { return func(s *segment.Spec) { s.Variant |= failing } }

// DropOldest makes a queue whose Put drops the oldest message where it would wait for room.
func DropOldest() shm.ObjectOption { return func(s *segment.Spec) { s.Variant |= dropping } }

// MaxBytes bounds how many bytes all messages of a queue have together, beside how many there may be. A message of
// plain memory has as many as the type; another one as many as it takes when it is encoded.
func MaxBytes(n int) shm.ObjectOption { return func(s *segment.Spec) { s.Bound = uint64(n) } }

// Policy says how a call that cannot go on waits.
type Policy = futex.Policy

const (
	// Adaptive polls for as long as polling has paid off lately (2 to 50 µs), then sleeps. It is the default.
	Adaptive = futex.Adaptive
	// Spin polls for 50 µs each time, then sleeps: for pairs of processes with a CPU each.
	Spin = futex.Spin
	// Park sleeps at once: for processes that share CPUs with others.
	Park = futex.Park
)
