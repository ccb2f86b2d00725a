package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kindred-ipc/kindred/shm"
)

// An Option changes how Start starts a process. Of options that contradict each other the last one
// counts; Env and Files add up.
type Option func(*options)

type options struct {
	name       string
	dir        string
	executable string
	env        []string
	files      []*os.File
	segments   []*shm.Segment
	stdout     io.Writer // nil: /dev/null
	stderr     io.Writer
	errs       []error
}

func newOptions(opts []Option) *options {
	o := &options{}
	// A nil *os.File in an io.Writer would not be nil.
	if os.Stdout != nil {
		o.stdout = os.Stdout
	}
	if os.Stderr != nil {
		o.stderr = os.Stderr
	}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

func (o *options) refuse(format string, args ...any) {
	o.errs = append(o.errs, fmt.Errorf("%w: %s", ErrOption, fmt.Sprintf(format, args...)))
}

func (o *options) check() error {
	return errors.Join(o.errs...)
}

// Name names the process: in errors, and in the child as Current().Name. The default is the
// function's name and a number, as in "parse-1". At most 255 bytes.
func Name(name string) Option {
	return func(o *options) {
		if name == "" || len(name) > maxName {
			o.refuse("Name(%.300q) must have 1 to %d bytes", name, maxName)
			return
		}
		o.name = name
	}
}

// Files gives the child descriptors of the open files, which it gets by File(ctx, 0) and so on, in
// the order given. They share the offset and the flags with the parent's, which stay open and are
// the caller's: close the parent's write end of a pipe, or the reader will not see its end.
func Files(files ...*os.File) Option {
	return func(o *options) {
		for i, f := range files {
			if f == nil {
				o.refuse("Files: file %d is nil", i)
				return
			}
		}
		o.files = append(o.files, files...)
	}
}

// Share gives the child the segments, anonymous or named. It attaches to them before it is ready,
// as a participant with the name of the process; its function gets them by Segment and Segments.
// One that is given twice counts once.
func Share(segments ...*shm.Segment) Option {
	return func(o *options) {
		for i, s := range segments {
			if s == nil {
				o.refuse("Share: segment %d is nil", i)
				return
			}
			known := slices.ContainsFunc(o.segments, func(other *shm.Segment) bool { return other.ID() == s.ID() })
			if !known {
				o.segments = append(o.segments, s)
			}
		}
	}
}

// Env sets variables, each "key=value", in the child's environment, which is otherwise a copy of
// the parent's.
func Env(variables ...string) Option {
	return func(o *options) {
		for _, v := range variables {
			key, _, ok := strings.Cut(v, "=")
			switch {
			case !ok || key == "" || strings.ContainsRune(v, 0):
				o.refuse("Env(%q) is not of the form key=value", v)
			case key == childVariable:
				o.refuse("Env: %s is the package's own", key)
			default:
				o.env = append(o.env, v)
			}
		}
	}
}

// Dir sets the child's working directory. The default is the parent's.
func Dir(path string) Option {
	return func(o *options) { o.dir = path }
}

// Executable sets the program that is started, which must register the function and call Main. The
// default is the running program, also if its file has been replaced or removed in the meantime.
// The path is relative to the parent's working directory, and is not looked up in PATH.
func Executable(path string) Option {
	return func(o *options) {
		abs, err := filepath.Abs(path)
		if path == "" || err != nil {
			o.refuse("Executable(%q): no such path", path)
			return
		}
		o.executable = abs
	}
}

// GOMAXPROCS sets the variable of that name: how many threads run Go code in the child at a time.
// At least 1.
func GOMAXPROCS(n int) Option {
	return func(o *options) {
		if n < 1 {
			o.refuse("GOMAXPROCS(%d) must be at least 1", n)
			return
		}
		o.env = append(o.env, "GOMAXPROCS="+strconv.Itoa(n))
	}
}

// GOMEMLIMIT sets the variable of that name: the soft limit of the child's memory, in bytes. At
// least 1.
func GOMEMLIMIT(bytes int64) Option {
	return func(o *options) {
		if bytes < 1 {
			o.refuse("GOMEMLIMIT(%d) must be at least 1", bytes)
			return
		}
		o.env = append(o.env, "GOMEMLIMIT="+strconv.FormatInt(bytes, 10))
	}
}

// Stdout sets where the child's standard output goes. The default is the parent's os.Stdout. An
// *os.File is handed to the child itself, in blocking mode; any other writer gets what the child writes from a
// goroutine of the parent, one call at a time, also if it is the writer of both Stdout and Stderr;
// what it refuses is dropped. Nil is /dev/null. What the child wrote has been passed on when Done
// is closed, unless a descendant keeps the stream open for more than a second after the child's
// end: then the rest is dropped.
func Stdout(w io.Writer) Option {
	return func(o *options) { o.stdout = w }
}

// Stderr is for standard error what Stdout is for standard output.
func Stderr(w io.Writer) Option {
	return func(o *options) { o.stderr = w }
}

// environment returns base with the variables of set in it; the last value of a key counts, and
// each key is there once, because Go programs look at the first.
func environment(base []string, set ...string) []string {
	all := append(append(make([]string, 0, len(base)+len(set)), base...), set...)
	last := make(map[string]int, len(all))
	for i, v := range all {
		key, _, _ := strings.Cut(v, "=")
		last[key] = i
	}
	env := make([]string, 0, len(last))
	for i, v := range all {
		if key, _, _ := strings.Cut(v, "="); last[key] == i {
			env = append(env, v)
		}
	}
	return env
}
