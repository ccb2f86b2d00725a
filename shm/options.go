package shm

import (
	"io/fs"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Option says how a segment is made or opened. An option that does not concern the call is ignored.
type Option func(*segment.Config)

// Dir puts a named segment's file into another directory than the system's (/dev/shm on Linux,
// /tmp/kindred-UID on macOS).
// The directory must exist, and should be on a memory file system. Those who Open it give the same
// option.
func Dir(path string) Option { return func(c *segment.Config) { c.Dir = path } }

// Mode sets the permissions of a new named segment's file, 0600 without it. Whoever may write to
// the file may corrupt what is in it, and truncate it under those who use it.
func Mode(mode fs.FileMode) Option { return func(c *segment.Config) { c.Mode = mode } }

// Owner lets Open accept a file that belongs to that user, beside this process's own.
func Owner(uid int) Option { return func(c *segment.Config) { c.Owner = uid } }

// Participants sets how many attaches a new segment has room for at one time, from 1 to 65,535;
// 1,024 without it. Each takes 128 bytes.
func Participants(n int) Option {
	return func(c *segment.Config) {
		if n == 0 {
			n = -1 // a zero that was asked for is an error, unlike one that was not
		}
		c.Participants = n
	}
}

// As gives this participant a name, of which the first 72 bytes are kept. It is shown in errors and
// by the tool.
func As(name string) Option { return func(c *segment.Config) { c.As = name } }

// MaxBytes bounds what this process lets the segment's objects take, below the segment's size: a
// memory cgroup kills where a file system refuses.
func MaxBytes(n int64) Option { return func(c *segment.Config) { c.MaxBytes = n } }

// Observe opens a segment for inspection: mapped read-only, without a participant's slot. Whatever
// would change it returns ErrReadOnly.
func Observe() Option { return func(c *segment.Config) { c.Observe = true } }

func config(opts []Option) segment.Config {
	c := segment.Config{Owner: -1}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// ObjectOption says how an object is made. The packages of the objects take it.
type ObjectOption func(*segment.Spec)

// Named gives a new object a name, by which other processes open it: up to 255 bytes without NUL.
func Named(name string) ObjectOption { return func(s *segment.Spec) { s.Name = name } }
