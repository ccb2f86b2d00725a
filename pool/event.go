package pool

import (
	"syscall"
	"time"
)

// EventKind says what happened.
type EventKind int

const (
	// WorkerStarted: a worker is ready, at the start or in place of a dead one.
	WorkerStarted EventKind = iota
	// WorkerLost: a worker died. Task and Input tell what it ran, if it ran anything.
	WorkerLost
	// TaskRetried: a task whose worker died is begun again, by the worker that ID and Pid name.
	TaskRetried
	// WorkerRetired: a worker has ended in order, because it was told to. Err is that of its finalizer.
	WorkerRetired
	// PoolBroken: no more calls are accepted. Err, which is an ErrBroken, says why.
	PoolBroken
	// WorkerFailed: a worker could not be started: the system refused it, its initializer failed, or it ended before it was ready. Err says
	// why. What fails in New is New's error. A spare that cannot be started is not told of: who finds none starts a worker.
	WorkerFailed
	// WorkerGivenUp: six processes in a row came to nothing, and the worker's place stays empty. Err is how the last one failed, or ended. The
	// place is tried again about every 10 s, with one process (with Elastic, when a call needs it after that); each time there is a WorkerFailed,
	// or, in the end, a WorkerStarted; if that one dies young, having done nothing, a WorkerLost and a WorkerGivenUp follow. If no other worker
	// is left or being started, the place is tried six times, and then there is a PoolBroken instead. One that was to make up for a blocked one has no place: the nested
	// calls that wait fail, and the next one has it tried again.
	WorkerGivenUp
)

// String names the kind in words.
func (k EventKind) String() string {
	switch k {
	case WorkerStarted:
		return "worker started"
	case WorkerLost:
		return "worker lost"
	case TaskRetried:
		return "task retried"
	case WorkerRetired:
		return "worker retired"
	case PoolBroken:
		return "pool broken"
	case WorkerFailed:
		return "worker failed"
	case WorkerGivenUp:
		return "worker given up"
	default:
		return "unknown event"
	}
}

// Event is something that happened to a worker or a task.
type Event struct {
	Kind    EventKind
	ID      int            // of the worker: from 0 on, from 4,096 on if it makes up for a blocked one; a replacement has the ID of the one before
	Pid     int            // of the worker; 0 for WorkerFailed and WorkerGivenUp, since none is there
	Code    int            // WorkerLost: exit code, -1 if a signal ended it
	Signal  syscall.Signal // WorkerLost: 0 if it exited
	OOM     OOM            // WorkerLost: whether the kernel's out-of-memory killer ended it
	Err     error          // why, if there is a reason to name
	Task    string         // the task's name, "" for none
	Input   any            // the task's input, as in Running
	Attempt int            // how often the task was begun, this time included
}

// Worker is one worker as Workers saw it.
type Worker struct {
	ID      int // as in Event
	Pid     int // 0 while it is being replaced
	Running *Running
}

// Running is the task that a worker has claimed, and that has not come back. A worker that stands still, and of which
// Workers then says that it runs a task, has not replied, and will not have if it is killed.
type Running struct {
	Task string
	// Input is the task's input. Where the caller's is at hand, it is that, not a deep copy: when the call has ended, what it refers to is the
	// caller's to change again. Nil where the pool has but its bytes, and to read them would run a method of the program's, or make an any.
	Input   any
	Attempt int
	Since   time.Time // when the call was handed to the worker
}
