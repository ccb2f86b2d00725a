package pool

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
)

// Option changes how New makes a pool.
type Option func(*options)

type options struct {
	workers  int
	retry    int
	grace    time.Duration
	limit    uint64 // of an encoded input or result
	policy   ring.Policy
	onEvent  func(Event)
	log      *slog.Logger
	process  []proc.Option
	local    bool
	borrowed bool                   // what Current returns
	program  *proc.Function[orders] // what workers run
	err      error

	initializer, finalizer errand

	reserve int // spares

	restarts int           // that are allowed
	per      time.Duration // within that; 0: without a limit
	fragile  bool

	share  int   // of tasks, of each worker; 0: without a limit
	memory int64 // that a worker may have after a task; 0: any

	elastic  bool
	minimum  int           // elastic: of workers
	patience time.Duration // elastic: with one that is idle
}

// refuse notes why an option is refused. The first counts.
func (o *options) refuse(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

const (
	maxWorkers   = 4096
	defaultGrace = 5 * time.Second
	maxMessage   = min(4<<30, math.MaxInt/2)
)

// Workers sets how many worker processes there are, from 1 to 4,096. Without it there are as many
// as the CPUs that this process may use: those of its affinity, or the quota of its control groups, rounded up, if that is less. There are fewer while
// some are being replaced, or are given up: see WorkerGivenUp.
func Workers(n int) Option {
	return func(o *options) {
		if n < 1 || n > maxWorkers {
			o.refuse("%w: %d, 1 to %d are possible", ErrWorkers, n, maxWorkers)
		}
		o.workers = n
	}
}

// Retry sets how often a task is begun again after its worker died; 0 without it: the task fails
// with *WorkerDied. It is for tasks that may run twice.
func Retry(n int) Option {
	return func(o *options) {
		if n < 0 {
			o.refuse("%w: Retry(%d)", ErrOption, n)
		}
		o.retry = n
	}
}

// Grace sets how long a task may go on after its caller gave up, and a worker after Close, before
// it is killed; 5 s without it. Negative: for ever, so that Join may wait for as long.
func Grace(d time.Duration) Option { return func(o *options) { o.grace = d } }

// MaxMessage sets how many bytes an encoded input or result may have, 0 to 4 GiB (more counts as that), which is what holds
// without it (1 GiB on 32-bit systems); larger ones fail with ErrTooLarge. The error that a task returned, or its panic, comes in any case,
// its text and stack cut off to that many bytes, or 16 KiB if those are more. A worker that goes mad
// cannot make its parent take more memory than that.
func MaxMessage(bytes int64) Option {
	return func(o *options) {
		if bytes < 0 {
			o.refuse("%w: MaxMessage(%d)", ErrOption, bytes)
		}
		o.limit = uint64(min(bytes, maxMessage))
	}
}

// Waiting sets how workers and callers wait for each other; ring.Adaptive without it.
func Waiting(p ring.Policy) Option {
	return func(o *options) {
		if p != ring.Adaptive && p != ring.Spin && p != ring.Park {
			o.refuse("%w: Waiting(%d)", ErrOption, p)
			return
		}
		o.policy = p
	}
}

// OnEvent has f called with what happens to workers and tasks, by goroutines of the pool: one call
// at a time, in order. It must not block and not call the pool, but for Close and Terminate. A panic in it is logged (slog.Default), and the pool goes on.
func OnEvent(f func(Event)) Option { return func(o *options) { o.onEvent = f } }

// Process sets options of the worker processes: environment, limits, where their output goes. A writer for it (proc.Stdout,
// proc.Stderr) is that of all workers, and so must bear calls from several goroutines at once, unlike a bytes.Buffer. Tasks find in
// their contexts what proc.Share and proc.Files give: see proc.Segment and proc.File.
func Process(opts ...proc.Option) Option {
	return func(o *options) { o.process = append(o.process, opts...) }
}
