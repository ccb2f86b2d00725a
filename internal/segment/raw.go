package segment

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Raw is memory that processes share by name, without a header, or participants, or anything else of this
// package: what lies in it is a matter between the programs that use it.
type Raw struct {
	m        *mapping
	name     string
	readOnly bool
	closed   atomic.Bool
	once     sync.Once
}

// maxRawName is how long a file's name may be. macOS takes less, and says so itself.
const maxRawName = 255

// rawName is a name without the slash that POSIX wants before it, and that others leave away.
func rawName(name string, c *Config) (string, error) {
	name = strings.TrimPrefix(name, "/")
	switch prefix := filepath.Base(c.path("")); {
	case name == "" || name == "." || name == "..":
		return "", fmt.Errorf("name %q: %w", name, ErrName)
	case len(name) > maxRawName:
		return "", fmt.Errorf("name of %d bytes, at most %d: %w", len(name), maxRawName, ErrName)
	case strings.ContainsAny(name, "/\x00"):
		return "", fmt.Errorf("name %q contains a slash or NUL: %w", name, ErrName)
	case strings.HasPrefix(name, prefix):
		return "", fmt.Errorf("name %q begins with %q, as the files of segments with a header do: %w", name, prefix, ErrName)
	}
	return name, nil
}

// CreateRaw makes one of size bytes, all zero. Where files can be made without a name, nobody sees it before
// it has its size.
func CreateRaw(name string, size int64, c Config) (*Raw, error) {
	c.Observe = false
	name, err := rawName(name, &c)
	if err != nil {
		return nil, err
	}
	if !supported() {
		return nil, ErrUnsupported
	}
	if size <= 0 || size > maxSize {
		return nil, fmt.Errorf("%d bytes, 1 to %d are possible: %w", size, int64(maxSize), ErrSize)
	}
	if c.Mode == 0 {
		c.Mode = 0o600
	}
	m, err := createRaw(name, size, &c)
	if err != nil {
		return nil, noSpace(err)
	}
	return &Raw{m: m, name: name}, nil
}

// OpenRaw maps the one of that name, whoever made it, as large as it is.
func OpenRaw(name string, c Config) (*Raw, error) {
	name, err := rawName(name, &c)
	if err != nil {
		return nil, err
	}
	if !supported() {
		return nil, ErrUnsupported
	}
	f, err := openRaw(name, &c)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() == 0 {
		return nil, fmt.Errorf("no bytes yet: whoever makes it has still to say how many, or died before: %w", ErrTruncated)
	}
	m, err := mapRaw(f, st.Size(), &c)
	if err != nil {
		return nil, err
	}
	return &Raw{m: m, name: name, readOnly: c.Observe}, nil
}

// OpenOrCreateRaw does either.
func OpenOrCreateRaw(name string, size int64, c Config) (*Raw, error) {
	return OrNew(func() (*Raw, error) { return openSized(name, c) },
		func() (*Raw, error) { return CreateRaw(name, size, c) })
}

// openSized is OpenRaw, but where a name has a moment without bytes it waits for its end, for a tenth of a second. A maker
// that died in it leaves the name to UnlinkRaw.
func openSized(name string, c Config) (r *Raw, err error) {
	for range 100 {
		if r, err = OpenRaw(name, c); !errors.Is(err, ErrTruncated) {
			return r, err
		}
		time.Sleep(time.Millisecond)
	}
	return r, err
}

// UnlinkRaw removes the name. Those who have it mapped keep the memory.
func UnlinkRaw(name string, c Config) error {
	name, err := rawName(name, &c)
	if err != nil {
		return err
	}
	if !supported() {
		return ErrUnsupported
	}
	return unlinkRaw(name, &c)
}

// Name is the name, without a slash.
func (r *Raw) Name() string { return r.name }

// Bytes is the memory. After Close it is zeros of this process's own.
func (r *Raw) Bytes() []byte { return r.m.bytes(0, r.m.size()) }

// Writable is nil if this process may write to it.
func (r *Raw) Writable() error {
	switch {
	case r.closed.Load():
		return ErrClosed
	case r.readOnly:
		return ErrReadOnly
	}
	return nil
}

// IsClosed reports whether Close was called.
func (r *Raw) IsClosed() bool { return r.closed.Load() }

// Close puts zeros under this mapping. The address space goes back when the last handle was collected, so that
// no access that is under way faults.
func (r *Raw) Close() error {
	var err error
	r.once.Do(func() {
		r.closed.Store(true)
		err = r.m.cutLoose()
	})
	return err
}
