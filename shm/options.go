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
			n = segment.NoParticipants // a zero that was asked for is an error, unlike one that was not
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

// HugePages puts the segment into huge pages of 2 MiB, to which a new segment's size is rounded up: a
// large ring or table then costs fewer misses of the address translation. All of its memory is taken at once.
// Each process that wants its own mapping to be of huge pages gives the option; the memory is the same for
// all. A Bytes ring is mapped a second time, in small pages of the same memory. The kernel collects the
// pages when it is asked (MADV_COLLAPSE), so no pool of them need be reserved, and
// transparent_hugepage/shmem_enabled may say never, but not deny. Where it cannot, the call fails with
// ErrRefused; elsewhere than on Linux with ErrUnsupported.
func HugePages() Option { return func(c *segment.Config) { c.HugePages = true } }

// Prefault takes all of the segment's memory at once, up to MaxBytes, and has every page mapped in this
// process before the call returns, so that no first access waits for the kernel. It fails with ErrNoSpace
// if there is not so much, and elsewhere than on Linux with ErrUnsupported. Each process does it for itself.
func Prefault() Option { return func(c *segment.Config) { c.Prefault = true } }

// Locked keeps in memory whatever this process has touched of the segment: it is not swapped out. With
// Prefault, that is all of it. It fails with ErrRefused if the limit of locked memory (RLIMIT_MEMLOCK)
// is less than the segment's size, and elsewhere than on Linux with ErrUnsupported. A Bytes ring counts two
// times more, and opening it may fail so.
func Locked() Option { return func(c *segment.Config) { c.Locked = true } }

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
