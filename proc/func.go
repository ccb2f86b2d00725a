package proc

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A Function is a Go function that can be run in a process of its own. It is made by Func and may
// be used by any number of goroutines.
type Function[A any] struct {
	name   string
	starts atomic.Uint64 // numbers the default names of its processes
}

// Func registers run under a name that is unique in the program, and returns the Function by which
// it is started. Call it where both the parent and the child pass before they call Main: in the
// declaration of a package's variable.
//
// Run gets a context that carries the child's descriptors and segments (see File) and is not
// cancelled while it runs. What it returns ends the child: nil with exit status 0, an error with 1,
// and the error's text reaches the parent. A panic is not recovered: the runtime prints it and
// exits with status 2.
//
// The arguments are a value of any type that can be encoded, of any size: numbers, strings, structs
// by their exported fields (plain memory: by all), slices, maps, pointers, shm.Ref, what
// marshals itself, and handles of objects (a *sync.Mutex, a *queue.Queue[T]), which arrive as
// working ones, in segments that the child has (Share) or gets by them, and open files (a *shm.File); what an any holds arrives with its type, if that is known there (shm.Register); no channels, no functions. How each of them
// travels is in the doc of package queue (Messages). Func itself does not look at the type: Start reports what is wrong with it.
//
// Func panics if the name is empty or longer than 255 bytes, if run is nil, or if the name is
// taken; then it names both places.
func Func[A any](name string, run func(ctx context.Context, args A) error) *Function[A] {
	where := "an unknown place"
	if _, file, line, ok := runtime.Caller(1); ok {
		where = fmt.Sprintf("%s:%d", file, line)
	}
	if name == "" || len(name) > maxName {
		panic(fmt.Sprintf("proc: Func at %s: the name %.300q is empty or longer than %d bytes", where, name, maxName))
	}
	if run == nil {
		panic(fmt.Sprintf("proc: Func(%q) at %s: the function is nil", name, where))
	}
	functions.add(&entry{
		name:  name,
		where: where,
		load: func(payload []byte) (call, error) {
			args, err := decode[A](payload)
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context) error { return run(ctx, args) }, nil
		},
	})
	return &Function[A]{name: name}
}

// Name returns the name under which f was registered.
func (f *Function[A]) Name() string { return f.name }

// Start starts a process that runs f with args, and returns when the process has found the function
// and decoded its arguments, or with an error: then there is no process, and nothing is left of it.
//
// The context is that of the start alone. When it is done before the child is ready, the child is
// killed and reaped, and Start returns the context's error; later it has no bearing on the child. A
// program that never calls Main (see Executable) is never ready: Start waits until it exits or the
// context is done.
//
// Errors: ErrNoMain, ErrUnencodable, ErrOption (nothing was started); ErrNotRegistered,
// ErrUndecodable, ErrProtocol; an *ExitError if the child ended before it was ready;
// ErrUnsupported; the system's errors.
func (f *Function[A]) Start(ctx context.Context, args A, opts ...Option) (*Process, error) {
	o := f.options(opts)
	payload, err := f.payload(ctx, args)
	if err == nil {
		var p *Process
		var release func()
		if release, err = hold(ctx, &args); err == nil {
			defer release()
			p, err = f.start(ctx, payload, o)
		}
		if err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("proc: start %q: %w", o.name, err)
}

// options are those of one start, with a name.
func (f *Function[A]) options(opts []Option) *options {
	o := newOptions(opts)
	if o.name == "" {
		o.name = fmt.Sprintf("%s-%d", f.name, f.starts.Add(1))
	}
	return o
}

// payload is what is sent of the arguments.
func (f *Function[A]) payload(ctx context.Context, args A) ([]byte, error) {
	if !mainCalled.Load() {
		return nil, ErrNoMain
	}
	b, err := encode(args)
	if err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	return b, ctx.Err()
}

func (f *Function[A]) start(ctx context.Context, payload []byte, o *options) (*Process, error) {
	if !mainCalled.Load() {
		return nil, ErrNoMain
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return start(ctx, f.name, payload, o)
}

// A call is a function together with its decoded arguments.
type call func(ctx context.Context) error

// An entry is what the child knows of a registered function.
type entry struct {
	name  string
	where string // file and line of the call of Func
	load  func(payload []byte) (call, error)
}

// registry maps names to functions. Func adds to it while packages initialise, Main looks up;
// nothing is ever removed.
type registry struct {
	mu     sync.Mutex
	byName map[string]*entry
}

var functions = registry{byName: make(map[string]*entry)}

func (r *registry) add(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.byName[e.name]; ok {
		panic(fmt.Sprintf("proc: Func(%q) at %s: the name is taken by Func at %s", e.name, e.where, other.where))
	}
	r.byName[e.name] = e
}

func (r *registry) lookup(name string) (*entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.byName[name]
	return e, ok
}

// names returns the registered names in order.
func (r *registry) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.byName))
}
