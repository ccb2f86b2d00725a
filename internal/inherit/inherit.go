// Package inherit is the files and segments that a function finds in its context (proc.File, proc.Segments). Package proc puts there
// what came with the process. Package pool puts something else there for its tasks, which are to find what the pool's user gave, and
// nothing else: a worker process has a segment more, and a worker that is a goroutine has none by itself.
package inherit

import (
	"context"
	"os"
	"slices"

	"github.com/kindred-ipc/kindred/shm"
)

// Given is what there is, in the order given. A context's is never changed.
type Given struct {
	Files    []*os.File
	Segments []*shm.Segment
}

type key struct{}

// With is ctx with g, in place of what it has.
func With(ctx context.Context, g Given) context.Context { return context.WithValue(ctx, key{}, g) }

// Without is ctx without that segment.
func Without(ctx context.Context, s *shm.Segment) context.Context {
	g := From(ctx)
	g.Segments = slices.DeleteFunc(slices.Clone(g.Segments), func(other *shm.Segment) bool { return other == s })
	return With(ctx, g)
}

// From is what ctx, or the one that it was made of, has.
func From(ctx context.Context) Given {
	g, _ := ctx.Value(key{}).(Given)
	return g
}

// ByOptions is what a []proc.Option, a type that has no name here, gives to a process; or why a process would not be started. Package
// proc sets it as it is initialised.
var ByOptions func(options any) (Given, error)
