package pool

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/kindred-ipc/kindred/internal/codec"
)

// Typed is a task: a function that workers run, with the types of its input and its result. It is
// made by Task, once, and may be used by any goroutine and any pool.
type Typed[In, Out any] struct {
	name  string
	hash  uint64 // of the name
	types uint32 // hash of In and Out
	in    *codec.Codec[In]
	out   *codec.Codec[Out]
	show  func(encoded []byte) any // (*Typed).decoded, made once
	alien bool                     // an input is shown only where it is at hand
	err   error                    // why values of these types cannot be handed over
	each  atomic.Int64             // nanoseconds that a call takes, as a Map measured last; 0: none has

	memory sync.Pool // of *memory[In, Out], of Maps that have ended
}

// Task registers run under a name that is unique in the program, and returns the task by which it
// is called. Call it where parent and workers pass before proc.Main: in the declaration of a
// package's variable. It panics if run is nil, or if the name is empty or taken; then it names both
// places. Types that cannot be encoded are reported by each call. Of what run returns with an error, the error alone reaches the caller.
func Task[In, Out any](name string, run func(ctx context.Context, in In) (Out, error)) *Typed[In, Out] {
	where := "an unknown place"
	if _, file, line, ok := runtime.Caller(1); ok {
		where = fmt.Sprintf("%s:%d", file, line)
	}
	if name == "" || run == nil {
		panic(fmt.Sprintf("pool: Task(%q) at %s: a task needs a name and a function", name, where))
	}
	t := &Typed[In, Out]{name: name, hash: xxh3.HashString(name), types: typesHash[In, Out]()}
	var inErr, outErr error
	t.in, inErr = codec.For[In]()
	t.out, outErr = codec.For[Out]()
	if t.err = errors.Join(inErr, outErr); t.err != nil {
		t.err = fmt.Errorf("pool: task %q: %w", name, t.err)
	}
	t.show, t.alien = t.decoded, t.err == nil && (t.in.Foreign() || t.in.Carries())
	r := &registered{name: name, where: where, types: t.types, run: t.runner(run), row: t.rows(run), show: t.show}
	r.in, r.out = t.flat()
	tasks.add(t.hash, r)
	return t
}

// typesHash tells types apart of which one might decode as the other.
func typesHash[In, Out any]() uint32 {
	h := codec.LayoutHash(reflect.TypeFor[In]())*31 + codec.LayoutHash(reflect.TypeFor[Out]())
	return uint32(h ^ h>>32)
}

// Name is the name under which the task was registered.
func (t *Typed[In, Out]) Name() string { return t.name }

// runner is the task as a worker runs it: bytes in, bytes out, appended to buf.
func (t *Typed[In, Out]) runner(run func(context.Context, In) (Out, error)) runner {
	return func(ctx context.Context, input, buf []byte) (payload []byte, outcome uint32) {
		if t.err != nil {
			return append(buf, t.err.Error()...), outcomeUndecodable
		}
		var in In
		if err := t.in.Decode(input, &in); err != nil {
			return append(buf, err.Error()...), outcomeUndecodable
		}
		out, err := run(ctx, in)
		if err != nil {
			return tell(buf, err)
		}
		payload, err = appended(t.out, buf, &out)
		if err != nil {
			return append(buf, err.Error()...), outcomeUnencodable
		}
		return payload, outcomeResult
	}
}

// appended writes *v behind dst.
func appended[T any](c *codec.Codec[T], dst []byte, v *T) ([]byte, error) {
	if c.Plain() {
		return c.AppendPlain(dst, v), nil // runs no code of the user's
	}
	return guarded(c, dst, *v)
}

// guarded is for values with a MarshalBinary of the user's: one that panics makes it a value that cannot be encoded.
func guarded[T any](c *codec.Codec[T], dst []byte, v T) (b []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			b, err = dst, fmt.Errorf("%w: panic: %v", ErrUnencodable, v)
		}
	}()
	return c.Append(dst, v)
}

type runner func(ctx context.Context, input, buf []byte) (payload []byte, outcome uint32)

// registered is what a worker knows of a task.
type registered struct {
	name  string
	where string
	types uint32
	run   runner
	show  func(encoded []byte) any // its input

	in, out int                                   // how many bytes they take in a row; 0: they stand in none
	row     func(ctx context.Context, s *several) // nil, if one of them does not
}

// panicSeparator stands between the value and the stack in the payload of an outcomePanic.
const panicSeparator = "\x00"

// panicked writes what an outcomePanic has behind dst. It is called where the panic is recovered.
func panicked(dst []byte, v any) []byte {
	return append(append(fmt.Append(dst, v), panicSeparator...), debug.Stack()...)
}

// goexitText is the error of a task that ended its goroutine.
const goexitText = "it called runtime.Goexit"

// protect runs the task and calls done with its outcome, also if it panicked. With exits, the task
// has ended its goroutine (runtime.Goexit), which cannot be taken back: protect will not return.
func (r *registered) protect(ctx context.Context, input, buf []byte, done func(payload []byte, outcome uint32, exits bool)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			done(panicked(buf[:0], v), outcomePanic, false)
			return
		}
		done(append(buf[:0], goexitText...), outcomeError, true)
	}()
	payload, outcome := r.run(ctx, input, buf)
	returned = true
	done(payload, outcome, false)
}

// registry holds the tasks of the program. Task adds to it while packages initialise; nothing is
// ever removed.
type registry struct {
	mu     sync.Mutex
	byHash map[uint64]*registered
}

var tasks = registry{byHash: make(map[uint64]*registered)}

func (r *registry) add(hash uint64, t *registered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.byHash[hash]; ok {
		panic(fmt.Sprintf("pool: Task(%q) at %s: the name is taken by Task(%q) at %s", t.name, t.where, other.name, other.where))
	}
	r.byHash[hash] = t
}

func (r *registry) lookup(hash uint64) *registered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byHash[hash]
}

func (r *registry) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.byHash))
	for _, t := range r.byHash {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}
