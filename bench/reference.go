package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

//go:embed reference
var sources embed.FS

// An absentError says why a reference cannot be measured here. The row goes on without it.
type absentError struct{ reason string }

func (e *absentError) Error() string { return "reference absent: " + e.reason }

// A language is what references are written in, by the extension of their files.
type language struct {
	extension, name string
	program         string   // in PATH: the compiler, or the interpreter
	version         string   // the argument to which it says its own
	flags           []string // of the compiler; nil where the source is run as it is
	warns           bool     // it has flags for warnings
}

// What is in Go is built in the directory that this process is in, with the modules that are known there: in the repository.
var languages = []language{
	{".c", "C", "cc", "--version", []string{"-O2", "-pthread"}, true},
	{".cc", "C++", "c++", "--version", []string{"-O2", "-pthread"}, true},
	{".go", "Go", "go", "version", []string{"build"}, false},
	{".py", "Python", "python3", "--version", nil, false},
}

// languageOf returns the language of a source.
func languageOf(source string) (language, error) {
	i := slices.IndexFunc(languages, func(l language) bool { return l.extension == filepath.Ext(source) })
	if i < 0 {
		return language{}, fmt.Errorf("reference %q: of no language that is known here", source)
	}
	return languages[i], nil
}

// References are the programs below reference/, each made ready when it is first needed, in a directory of their own.
type references struct {
	dir    string   // "" where they are absent altogether
	absent string   // why
	warn   []string // flags of the compilers: tests want no warnings
	mu     sync.Mutex
	ready  map[string]*readied // by the sources
}

// A readied reference is the command that runs it, or why there is none, once it is known.
type readied struct {
	mu      sync.Mutex
	known   bool
	command []string
	err     error
}

func newReferences() (*references, error) {
	r := &references{ready: map[string]*readied{}}
	if runtime.GOOS != "linux" {
		r.absent = "the references are for Linux"
		return r, nil
	}
	dir, err := os.MkdirTemp("", "kindred-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, errors.Join(fmt.Errorf("unpack the references: %w", err), os.RemoveAll(dir))
	}
	r.dir = filepath.Join(dir, "reference")
	return r, nil
}

func (r *references) Close() error {
	if r.dir == "" {
		return nil
	}
	return os.RemoveAll(filepath.Dir(r.dir))
}

// versions says by what the references are compiled or run, and what is missing.
func (r *references) versions(ctx context.Context) string {
	if r.absent != "" {
		return r.absent
	}
	var all []string
	for _, l := range languages {
		line := "no " + l.program + " in PATH"
		if path, err := exec.LookPath(l.program); err == nil {
			out, _ := exec.CommandContext(ctx, path, l.version).Output()
			line, _, _ = strings.Cut(string(out), "\n")
		}
		all = append(all, l.name+" by "+line)
	}
	return strings.Join(append(all, boostVersion(ctx)), "; ")
}

// boostVersion is what the C++ compiler finds of Boost.
func boostVersion(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "c++", "-E", "-P", "-x", "c++", "-")
	cmd.Stdin = strings.NewReader("#include <boost/version.hpp>\nBOOST_LIB_VERSION\n")
	out, err := cmd.Output()
	if err != nil {
		return "no Boost"
	}
	return "Boost " + strings.Trim(strings.TrimSpace(string(out)), `"`)
}

// command returns the command that runs a reference, which it compiles first if its language is compiled. What keeps
// it from being there, be it a compiler, a library or an interpreter, is an *absentError.
func (r *references) command(ctx context.Context, source string) ([]string, error) {
	if r.absent != "" {
		return nil, &absentError{r.absent}
	}
	r.mu.Lock()
	one := r.ready[source]
	if one == nil {
		one = new(readied)
		r.ready[source] = one
	}
	r.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.known {
		return one.command, one.err
	}
	one.command, one.err = r.prepare(ctx, source)
	one.known = ctx.Err() == nil
	return one.command, one.err
}

// readyAll makes the references of all these rows ready, two at a time. What is absent says so when it is needed.
func (r *references) readyAll(ctx context.Context, all []Row) {
	var compilers errgroup.Group
	compilers.SetLimit(2)
	seen := map[string]bool{}
	for _, row := range all {
		source := row.Reference.Source
		if source == "" || seen[source] {
			continue
		}
		seen[source] = true
		compilers.Go(func() error {
			_, err := r.command(ctx, source)
			return err
		})
	}
	_ = compilers.Wait()
}

func (r *references) prepare(ctx context.Context, source string) ([]string, error) {
	l, err := languageOf(source)
	if err != nil {
		return nil, err
	}
	program, err := exec.LookPath(l.program)
	if err != nil {
		return nil, &absentError{"no " + l.program + " in PATH"}
	}
	path := filepath.Join(r.dir, source)
	if l.flags == nil {
		return []string{program, path}, nil
	}
	binary := path + ".out"
	args := slices.Concat(l.flags, []string{"-o", binary, path})
	if l.warns {
		args = append(args, r.warn...)
	}
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return nil, &absentError{fmt.Sprintf("%s: %v: %s", l.program, err, line)}
	}
	return []string{binary}, nil
}

// run runs a reference once. It returns an *absentError if the reference cannot be had here.
func (r *references) run(ctx context.Context, ref Reference, j Job) (Outcome, error) {
	command, err := r.command(ctx, ref.Source)
	if err != nil {
		return Outcome{}, err
	}
	args := append(command[1:len(command):len(command)], "kind="+ref.Kind)
	for _, a := range []struct {
		key   string
		value uint64
	}{
		{"n", j.N}, {"warm", j.Warm}, {"capacity", j.Capacity}, {"steps", j.Steps}, {"workers", j.Workers},
		{"salt", j.Salt}, {"peersalt", j.PeerSalt}, {"a", uint64(j.A)}, {"b", uint64(j.B)},
	} {
		args = append(args, fmt.Sprintf("%s=%d", a.key, a.value))
	}
	cmd := exec.CommandContext(ctx, command[0], args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it may have children to end
	cmd.WaitDelay = 2 * time.Second
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Outcome{}, fmt.Errorf("%s: %w: %s", ref.Source, err, strings.TrimSpace(stderr.String()))
	}
	v, err := printed(stdout.String())
	used := ended(cmd.ProcessState)
	used.Memory = int64(v[residentName])
	delete(v, residentName)
	return Outcome{v, used}, err
}

// residentName is what a reference calls its memory, in bytes, among its figures.
const residentName = "resident"

// printed reads what a reference printed: one number; or lines of a figure's name and its number.
func printed(s string) (Values, error) {
	v := Values{}
	for line := range strings.Lines(strings.TrimSpace(s)) {
		words := strings.Fields(line)
		name := strings.Join(words[:max(len(words)-1, 0)], " ")
		if len(words) == 0 || name == "" && len(v) > 0 {
			return nil, fmt.Errorf("not one number, and no names: %q", s)
		}
		n, err := strconv.ParseFloat(words[len(words)-1], 64)
		if err != nil {
			return nil, fmt.Errorf("not a number: %q", line)
		}
		v[name] = n
	}
	if len(v) == 0 {
		return nil, errors.New("it printed nothing")
	}
	return v, nil
}

// spread gives each figure the one number that there is, if there is but one: a row of percentiles may be held against
// one limit.
func (v Values) spread(figures []Figure) Values {
	one, ok := v[""]
	if !ok {
		return v
	}
	all := Values{}
	for _, f := range figures {
		all[f.Name] = one
	}
	return all
}

// value is the value of a figure, which must be there; a time must be above zero.
func (v Values) value(f Figure) (float64, error) {
	n, ok := v[f.Name]
	switch {
	case !ok:
		return 0, fmt.Errorf("no figure %q", f.Name)
	case !(n >= 0) || math.IsInf(n, 1) || n == 0 && f.Unit == "ns":
		return 0, fmt.Errorf("not a figure in %s: %v", f.Unit, n)
	}
	return n, nil
}
