package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

//go:embed reference
var sources embed.FS

// An absentError says why a reference cannot be measured here. The row goes on without it.
type absentError struct{ reason string }

func (e *absentError) Error() string { return "reference absent: " + e.reason }

// A compiler builds the references in C as they are needed, each once, in a directory of its own.
type compiler struct {
	path   string // of cc; "" where there is none
	dir    string
	mu     sync.Mutex
	built  map[string]error
	absent string
}

// newCompiler looks for cc in PATH. It is no error if there is none.
func newCompiler() (*compiler, error) {
	c := &compiler{built: map[string]error{}}
	if runtime.GOOS != "linux" {
		c.absent = "the C references are for Linux"
		return c, nil
	}
	path, err := exec.LookPath("cc")
	if err != nil {
		c.absent = "no cc in PATH"
		return c, nil
	}
	dir, err := os.MkdirTemp("", "kindred-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, errors.Join(fmt.Errorf("unpack the references: %w", err), os.RemoveAll(dir))
	}
	c.path, c.dir = path, filepath.Join(dir, "reference")
	return c, nil
}

func (c *compiler) Close() error {
	if c.dir == "" {
		return nil
	}
	return os.RemoveAll(filepath.Dir(c.dir))
}

// version is the compiler's own first line.
func (c *compiler) version(ctx context.Context) string {
	if c.absent != "" {
		return c.absent
	}
	out, err := exec.CommandContext(ctx, c.path, "--version").Output()
	if err != nil {
		return c.path
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// program returns the path of a reference's program, compiled with cc -O2. Its errors are *absentError.
func (c *compiler) program(ctx context.Context, source string) (string, error) {
	if c.absent != "" {
		return "", &absentError{c.absent}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	path := filepath.Join(c.dir, source)
	err, done := c.built[source]
	if !done {
		out, failed := exec.CommandContext(ctx, c.path, "-O2", "-pthread", "-o", path, path+".c").CombinedOutput()
		if failed != nil {
			line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			err = &absentError{fmt.Sprintf("cc: %v: %s", failed, line)}
		}
		c.built[source] = err
	}
	return path, err
}

// run runs a reference once. It returns an *absentError if it could not be built.
func (c *compiler) run(ctx context.Context, r Reference, j Job) (float64, error) {
	path, err := c.program(ctx, r.Source)
	if err != nil {
		return 0, err
	}
	args := []string{"kind=" + r.Kind}
	for _, a := range []struct {
		key   string
		value uint64
	}{
		{"n", j.N}, {"warm", j.Warm}, {"capacity", j.Capacity}, {"steps", j.Steps},
		{"salt", j.Salt}, {"peersalt", j.PeerSalt}, {"a", uint64(j.A)}, {"b", uint64(j.B)},
	} {
		args = append(args, fmt.Sprintf("%s=%d", a.key, a.value))
	}
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, fmt.Errorf("%s.c: %w: %s", r.Source, err, strings.TrimSpace(stderr.String()))
	}
	return number(stdout.String())
}

// number reads what a side printed: the nanoseconds of one operation, which are above zero.
func number(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(v > 0) {
		return 0, fmt.Errorf("not a time: %q", s)
	}
	return v, nil
}
