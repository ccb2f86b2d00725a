package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"runtime"
	"sync"
	"syscall"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/proc"
)

// RegisterError makes the error value err, a sentinel, known under a name that is unique in the program. A task that
// returns it, or an error that wraps it, has an error on the caller's side in which errors.Is finds err. Call it
// where parent and workers pass before proc.Main: in an init function. It panics if the name is empty, or if name or value are taken; then it
// names both places.
//
// Known without it are io.EOF and io.ErrUnexpectedEOF, the errors of io/fs and context, os.ErrDeadlineExceeded,
// errors.ErrUnsupported, syscall.Errno, *fs.PathError, *proc.ExitError, and those of this package. Of the errors that are within one, the first
// 100 are looked at.
func RegisterError(name string, err error) {
	if err == nil || !reflect.TypeOf(err).Comparable() {
		panic(fmt.Sprintf("pool: RegisterError(%q) at %s: %T is no value that can be compared", name, caller(), err))
	}
	kinds.add(&kind{
		name: name, where: caller(), sentinel: err,
		encode: func(error) ([]byte, error) { return nil, nil },
		decode: func([]byte) (error, error) { return err, nil },
	})
}

// RegisterErrorType makes the errors of type E known under a name that is unique in the program. A task that returns one, or
// an error that wraps one, has an error on the caller's side in which errors.As finds a copy of it, with what of it can be encoded: the
// exported fields of a struct. Call it as RegisterError; it panics likewise, and if E is no type whose values can be encoded.
func RegisterErrorType[E error](name string) {
	c, err := codec.For[E]()
	typ := reflect.TypeFor[E]()
	if err == nil && typ.Kind() == reflect.Interface {
		err = errors.New("an interface is no type of errors")
	}
	if err != nil {
		panic(fmt.Sprintf("pool: RegisterErrorType(%q) at %s: %v", name, caller(), err))
	}
	kinds.add(&kind{
		name: name, where: caller(), typ: typ,
		encode: func(e error) ([]byte, error) { return c.Append(nil, e.(E)) },
		decode: func(b []byte) (error, error) {
			v, err := c.Value(nil, b)
			return v, err
		},
	})
}

// caller is the place from which the function that asks was called.
func caller() string {
	if _, file, line, ok := runtime.Caller(2); ok {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return "an unknown place"
}

// kind is what is known of a sentinel, or of a type of errors.
type kind struct {
	name, where string
	sentinel    error
	typ         reflect.Type // nil: a sentinel
	encode      func(error) ([]byte, error)
	decode      func([]byte) (error, error)
}

// kindRegistry holds what the program registered. Nothing is ever removed.
type kindRegistry struct {
	mu        sync.Mutex
	byName    map[string]*kind
	sentinels map[error]*kind
	types     map[reflect.Type]*kind
}

var kinds = known()

func (r *kindRegistry) add(k *kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k.name == "" {
		panic(fmt.Sprintf("pool: an error registered at %s has no name", k.where))
	}
	other, taken := r.byName[k.name]
	if !taken && k.typ != nil {
		other, taken = r.types[k.typ]
	} else if !taken {
		other, taken = r.sentinels[k.sentinel]
	}
	if taken {
		panic(fmt.Sprintf("pool: the error %q registered at %s is taken by %q at %s", k.name, k.where, other.name, other.where))
	}
	r.byName[k.name] = k
	if k.typ != nil {
		r.types[k.typ] = k
	} else {
		r.sentinels[k.sentinel] = k
	}
}

// of is what is known of err itself, not of what it wraps.
func (r *kindRegistry) of(err error) *kind {
	t := reflect.TypeOf(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.types[t]; ok {
		return k
	}
	if !reflect.ValueOf(err).Comparable() {
		return nil
	}
	return r.sentinels[err]
}

func (r *kindRegistry) named(name string) *kind {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byName[name]
}

// known are the kinds that need not be registered.
func known() *kindRegistry {
	r := &kindRegistry{
		byName: make(map[string]*kind), sentinels: make(map[error]*kind), types: make(map[reflect.Type]*kind)}
	for name, err := range map[string]error{
		"context.Canceled": context.Canceled, "context.DeadlineExceeded": context.DeadlineExceeded,
		"io.EOF": io.EOF, "io.ErrUnexpectedEOF": io.ErrUnexpectedEOF,
		"fs.ErrInvalid": fs.ErrInvalid, "fs.ErrPermission": fs.ErrPermission, "fs.ErrExist": fs.ErrExist,
		"fs.ErrNotExist": fs.ErrNotExist, "fs.ErrClosed": fs.ErrClosed,
		"os.ErrDeadlineExceeded": os.ErrDeadlineExceeded, "errors.ErrUnsupported": errors.ErrUnsupported,
		"pool.ErrClosed": ErrClosed, "pool.ErrWorkers": ErrWorkers, "pool.ErrOption": ErrOption,
		"pool.ErrNotRegistered": ErrNotRegistered, "pool.ErrUnencodable": ErrUnencodable,
		"pool.ErrUndecodable": ErrUndecodable, "pool.ErrTooLarge": ErrTooLarge, "pool.ErrBroken": ErrBroken,
		"pool.ErrNotClosed": ErrNotClosed, "pool.ErrPending": ErrPending, "pool.ErrWithin": ErrWithin, "pool.ErrDepth": ErrDepth,
	} {
		r.add(&kind{
			name: name, where: "package pool", sentinel: err,
			encode: func(error) ([]byte, error) { return nil, nil },
			decode: func([]byte) (error, error) { return err, nil },
		})
	}
	r.add(&kind{
		name: "syscall.Errno", where: "package pool", typ: reflect.TypeFor[syscall.Errno](),
		encode: func(err error) ([]byte, error) {
			return binary.LittleEndian.AppendUint64(nil, uint64(err.(syscall.Errno))), nil
		},
		decode: func(b []byte) (error, error) {
			if len(b) != 8 {
				return nil, codec.ErrCorrupt
			}
			return syscall.Errno(binary.LittleEndian.Uint64(b)), nil
		},
	})
	addStruct(r, "fs.PathError",
		func(e *fs.PathError) pathError {
			number, _ := e.Err.(syscall.Errno)
			return pathError{e.Op, e.Path, fmt.Sprint(e.Err), uint64(number)}
		},
		func(e pathError) *fs.PathError {
			cause := error(syscall.Errno(e.Errno))
			if e.Errno == 0 {
				cause = errors.New(e.Text)
			}
			return &fs.PathError{Op: e.Op, Path: e.Path, Err: cause}
		})
	addStruct(r, "pool.WorkerDied",
		func(e *WorkerDied) WorkerDied { return *e }, func(e WorkerDied) *WorkerDied { return &e })
	addStruct(r, "pool.PanicError",
		func(e *PanicError) PanicError { return *e }, func(e PanicError) *PanicError { return &e })
	addStruct(r, "pool.InputError",
		func(e *InputError) inputError { return inputError{e.Index, e.Err.Error()} },
		func(e inputError) *InputError { return &InputError{e.Index, errors.New(e.Text)} })
	addStruct(r, "proc.ExitError",
		func(e *proc.ExitError) exitError {
			signal, _ := e.Signal.(syscall.Signal)
			return exitError{e.Pid, e.Name, e.Code, int(signal), e.Text}
		},
		func(e exitError) *proc.ExitError {
			x := &proc.ExitError{Pid: e.Pid, Name: e.Name, Code: e.Code, Text: e.Text}
			if e.Signal != 0 {
				x.Signal = syscall.Signal(e.Signal)
			}
			return x
		})
	return r
}

// inputError and exitError are what travels of an InputError, whose own error travels beside it if it is known, and of a proc.ExitError.
type inputError struct {
	Index int
	Text  string
}

type exitError struct {
	Pid    int
	Name   string
	Code   int
	Signal int
	Text   string
}

// pathError is what travels of an fs.PathError.
type pathError struct {
	Op, Path, Text string
	Errno          uint64
}

// addStruct adds a type of errors that travel as something else.
func addStruct[E error, W any](r *kindRegistry, name string, pack func(E) W, unpack func(W) E) {
	r.add(&kind{
		name: name, where: "package pool", typ: reflect.TypeFor[E](),
		encode: func(err error) ([]byte, error) {
			c, bad := codec.For[W]()
			if bad != nil {
				return nil, bad
			}
			return c.Append(nil, pack(err.(E)))
		},
		decode: func(b []byte) (error, error) {
			c, err := codec.For[W]()
			if err != nil {
				return nil, err
			}
			w, err := c.Value(nil, b)
			return unpack(w), err
		},
	})
}

// told is the payload of an outcomeKnown: the error's text, and what of it is registered, in the order in which errors.Is
// comes to it.
type told struct {
	Text  string
	Kinds []toldKind
}

type toldKind struct {
	Name  string
	Value []byte
}

// maxKinds is how many errors within an error are looked at. A chain may come back to itself.
const maxKinds = 100

// tell is the error of a task as a reply carries it.
func tell(buf []byte, err error) (payload []byte, outcome uint32) {
	text := err.Error()
	message := told{Text: text}
	left := maxKinds
	message.collect(err, &left)
	if len(message.Kinds) > 0 {
		if c, bad := codec.For[told](); bad == nil {
			if payload, bad = c.Append(buf, message); bad == nil {
				return payload, outcomeKnown
			}
		}
	}
	return append(buf, text...), outcomeError
}

// collect adds what is registered of err and of all that it wraps. What panics when it is asked is left out: the text is
// there in any case.
func (m *told) collect(err error, left *int) {
	defer func() { _ = recover() }()
	if err == nil || *left == 0 {
		return
	}
	*left--
	m.add(err)
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		m.collect(err.Unwrap(), left)
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			m.collect(e, left)
		}
	}
}

func (m *told) add(err error) {
	defer func() { _ = recover() }()
	k := kinds.of(err)
	if k == nil {
		return
	}
	if value, bad := k.encode(err); bad == nil {
		m.Kinds = append(m.Kinds, toldKind{k.name, value})
	}
}

// hear makes the payload of an outcomeKnown the error that the caller gets. What is not registered here, or cannot be decoded,
// is left out.
func hear(task string, payload []byte) error {
	c, err := codec.For[told]()
	var message told
	if err == nil {
		err = c.Decode(payload, &message)
	}
	if err != nil {
		return fmt.Errorf("pool: task %q: its error: %w: %w", task, ErrUndecodable, err)
	}
	failed := &TaskError{Task: task, Text: message.Text}
	for _, m := range message.Kinds {
		if k := kinds.named(m.Name); k != nil {
			if err, bad := k.decode(m.Value); bad == nil {
				failed.known = append(failed.known, err)
			}
		}
	}
	return failed
}
