package proc

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

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
	cpus       []int
	niced      bool
	nice       int
	limits     []limit
	outlive    time.Duration
	keep       int  // bytes of the standard error
	parked     bool // for Warm
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
// what it refuses is dropped. Nil is /dev/null. That is so for one process: a writer that is given to several, as by the options of a
// Warm set, a Group or a pool, is called by several goroutines at once, and must bear that. A bytes.Buffer does not.
//
// What the child itself wrote has been passed on when Done is closed. Wait and Close wait for what its descendants write as well,
// until the last of them has closed the stream; the writer may be called until then. Both are for a second after the child's end:
// what is not read by then, because a descendant keeps the stream open or the writer takes its time, is dropped, and a call of the
// writer may still be under way.
func Stdout(w io.Writer) Option {
	return func(o *options) { o.stdout = w }
}

// Stderr is for standard error what Stdout is for standard output.
func Stderr(w io.Writer) Option {
	return func(o *options) { o.stderr = w }
}

// Log has what the child writes logged: a record for each line, with the attributes process, its name, and stream, which is
// stdout at the level Info and stderr at Warn. A line of more than 64 KiB is several records. It stands in the place of Stdout and
// Stderr.
func Log(l *slog.Logger) Option {
	return func(o *options) {
		if l == nil {
			o.refuse("Log: the logger is nil")
			return
		}
		o.stdout = &lineWriter{options: o, log: l, level: slog.LevelInfo, stream: "stdout"}
		o.stderr = &lineWriter{options: o, log: l, level: slog.LevelWarn, stream: "stderr"}
	}
}

// Affinity sets the CPUs that the child may run on, by their numbers from 0 to 1,023. On other systems than Linux it is refused (ErrOption). The default is the
// parent's. The child's GOMAXPROCS follows from it, unless it is set.
func Affinity(cpus ...int) Option {
	return func(o *options) {
		if runtime.GOOS != "linux" {
			o.refuse("Affinity: %s has none", runtime.GOOS)
			return
		}
		if len(cpus) == 0 {
			o.refuse("Affinity: no CPU")
			return
		}
		for _, n := range cpus {
			if n < 0 || n >= maxCPUs {
				o.refuse("Affinity: CPU %d is not from 0 to %d", n, maxCPUs-1)
				return
			}
		}
		o.cpus = slices.Clone(cpus)
	}
}

// maxCPUs is how many a set of the system's has.
const maxCPUs = 1024

// Nice sets the child's niceness, from -20, which goes first, to 19. The default is the parent's; less than that
// needs a privilege.
func Nice(n int) Option {
	return func(o *options) {
		if n < -20 || n > 19 {
			o.refuse("Nice(%d) must be from -20 to 19", n)
			return
		}
		o.niced, o.nice = true, n
	}
}

// Rlimit sets one of the child's resource limits, a number as in syscall.RLIMIT_CPU, before its function runs. More than the
// hard limit of the parent needs a privilege. Rlimits add up. (For memory see GOMEMLIMIT as well: what the kernel
// refuses, a Go program dies of.)
func Rlimit(resource int, soft, hard uint64) Option {
	return func(o *options) {
		if resource < 0 || soft > hard {
			o.refuse("Rlimit(%d, %d, %d): no such resource, or more than its hard limit", resource, soft, hard)
			return
		}
		o.limits = append(o.limits, limit{resource, soft, hard})
	}
}

// Outlive lets the child live on for so long after its parent's death, to come to an end by itself: it learns of the
// death by Parent().Done. In that case it is the child itself that keeps to it, and not the system: if it is stopped, or makes no
// progress, it stays. Its own children die with it, as ever.
func Outlive(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			o.refuse("Outlive(%v) must be more than 0", d)
			return
		}
		o.outlive = d
	}
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
