package pool

import (
	"context"
	"log/slog"
)

// Log has what happens to workers and tasks logged: a record for each Event, with its kind as the message. Starts and orderly ends are at the
// level Info, deaths, starts that fail, and tasks that are begun again at Warn, the loss of a worker's place and the end of a pool that is broken at Error; an Event with an error is at Warn at least. Inputs of tasks
// are not logged. For what workers write see proc.Log.
func Log(l *slog.Logger) Option {
	return func(o *options) {
		if l == nil {
			o.refuse("%w: Log: the logger is nil", ErrOption)
			return
		}
		o.log = l
	}
}

func (k EventKind) level() slog.Level {
	switch k {
	case WorkerLost, TaskRetried, WorkerFailed:
		return slog.LevelWarn
	case PoolBroken, WorkerGivenUp:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// logged is e for a log.
func (e *Event) logged(l *slog.Logger) {
	level := e.Kind.level()
	if e.Err != nil {
		level = max(level, slog.LevelWarn)
	}
	if !l.Enabled(context.Background(), level) {
		return
	}
	var attrs []slog.Attr
	if e.Kind != PoolBroken {
		attrs = append(attrs, slog.Int("worker", e.ID))
	}
	if e.Pid != 0 {
		attrs = append(attrs, slog.Int("pid", e.Pid))
	}
	if e.Kind == WorkerLost {
		attrs = append(attrs, slog.Int("code", e.Code))
		if e.Signal != 0 {
			attrs = append(attrs, slog.String("signal", e.Signal.String()), slog.String("oom", e.OOM.String()))
		}
	}
	if e.Task != "" {
		attrs = append(attrs, slog.String("task", e.Task), slog.Int("attempt", e.Attempt))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	l.LogAttrs(context.Background(), level, "pool: "+e.Kind.String(), attrs...)
}
