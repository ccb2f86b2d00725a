package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Open attaches to the named segment.
func Open(name string, c Config) (*Segment, error) {
	f, err := openNamed(name, &c)
	if err != nil {
		return nil, err
	}
	s, err := openOn(f, name, &c)
	if err != nil {
		f.Close()
		return nil, err
	}
	if !linked(f) {
		// Removed between the open and the attach, perhaps by somebody who saw that it had no
		// participants: whoever comes later would not meet this process there.
		s.Close()
		return nil, ErrNotExist
	}
	return s, nil
}

// OpenOrCreate does either. Two processes that call it at once get the same segment.
func OpenOrCreate(name string, size int64, c Config) (*Segment, error) {
	for {
		s, err := Open(name, c)
		if !errors.Is(err, ErrNotExist) {
			return s, err
		}
		s, err = Create(name, size, c)
		if !errors.Is(err, ErrExist) {
			return s, err
		}
	}
}

// FromFile attaches to the segment whose file f is, as a process does that inherited the
// descriptor. f stays the caller's.
func FromFile(f *os.File, c Config) (*Segment, error) {
	if !supported() {
		return nil, ErrUnsupported
	}
	if err := plainFile(f); err != nil {
		return nil, err
	}
	own, err := inherit(f)
	if err != nil {
		return nil, err
	}
	s, err := openOn(own, "", &c)
	if err != nil {
		own.Close()
		return nil, err
	}
	return s, nil
}

// plainFile is nil for what may be a segment's file, and can be read without waiting for anybody.
func plainFile(f *os.File) error {
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("no plain file: %w", ErrNotSegment)
	}
	return err
}

// openOn validates f before it maps anything of it, maps it, and attaches.
func openOn(f *os.File, name string, c *Config) (*Segment, error) {
	p, err := validate(f)
	if err != nil {
		return nil, err
	}
	m, err := mapFor(f, p, c)
	if err != nil {
		return nil, err
	}
	return attach(f, m, p, name, c)
}

// versionEnd is where the version ends in the header, whatever the version.
const versionEnd = 12

// validate reads the header with read(2), which a truncation cannot turn into SIGBUS, and checks
// each field before it is used: magic, version, layout, size, then where things lie.
func validate(f *os.File) (plan, error) {
	st, err := f.Stat()
	if err != nil {
		return plan{}, err
	}
	h := new(header)
	if _, err := f.ReadAt(h.bytes(), 0); err != nil && !errors.Is(err, io.EOF) {
		return plan{}, err
	}
	size := uint64(st.Size())
	switch {
	case h.magic != magic:
		return plan{}, fmt.Errorf("magic %#x: %w", h.magic, ErrNotSegment)
	case size < versionEnd:
		return plan{}, fmt.Errorf("%d bytes: %w", size, ErrTruncated)
	case h.version != version:
		return plan{}, fmt.Errorf("version %d, this program knows %d: %w", h.version, version, ErrVersion)
	case size < tableOffset:
		return plan{}, fmt.Errorf("%d bytes: %w", size, ErrTruncated)
	case h.layout != layoutHash():
		return plan{}, fmt.Errorf("layout %016x, this program has %016x: %w", h.layout, layoutHash(), ErrLayout)
	case size < h.size:
		return plan{}, fmt.Errorf("%d bytes of %d: %w", size, h.size, ErrTruncated)
	case h.size > maxSize || h.id == 0 || h.tableOffset != tableOffset ||
		h.participants == 0 || h.participants > maxParticipants ||
		h.runShift != smallRunShift && h.runShift != largeRunShift:
		return plan{}, fmt.Errorf("header contradicts itself: %w", ErrCorrupt)
	}
	g, ok := lay(h.participants, uint(h.runShift), h.size)
	if !ok || h.runsOffset != g.runs || h.controlsOffset != g.controls || h.heapOffset != g.heap {
		return plan{}, fmt.Errorf("header contradicts itself: %w", ErrCorrupt)
	}
	return plan{id: h.id, size: int64(h.size), participants: h.participants, geometry: g}, nil
}
