package segment

import (
	"errors"
	"fmt"
	"strings"
)

// The directory is a list of names, newest first, each a block of its own. An entry is complete
// before the list's head moves to it, entries do not change, and each lies below the one before it:
// reading takes no lock and ends.

// maxObjectName is how long an object's name may be, in bytes.
const maxObjectName = 255

func checkObjectName(name string) error {
	switch {
	case len(name) > maxObjectName:
		return fmt.Errorf("object name of %d bytes, at most %d: %w", len(name), maxObjectName, ErrName)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("object name %q contains NUL: %w", name, ErrName)
	}
	return nil
}

// nameSpec is the entry that gives the object at off a name. The heap's lock is held from the
// moment when it is filled until the list's head moves to it.
func nameSpec(name string, off uint64) Spec {
	return Spec{
		Kind: KindName,
		Size: nameEntrySize + uint64(len(name)),
		Init: func(e Object) {
			m := e.seg.m
			entry := m.nameEntry(e.body)
			entry.next = m.header().directory.Load()
			entry.object = off
			entry.length = uint32(len(name))
			copy(e.Bytes()[nameEntrySize:], name)
		},
	}
}

const nameEntrySize = 24

// names calls f with each name and the offset of its object until f reports false.
func (s *Segment) names(f func(name string, object uint64) bool) error {
	below := s.m.size()
	for off := s.m.header().directory.Load(); off != 0; {
		if off >= below {
			return fmt.Errorf("directory entry at %#x: %w", off, ErrCorrupt)
		}
		o, err := s.objectAt(off)
		if err != nil || o.kind != KindName || o.Size() < nameEntrySize {
			return fmt.Errorf("directory entry at %#x: %w", off, ErrCorrupt)
		}
		e := s.m.nameEntry(o.body)
		next, object, length := e.next, e.object, uint64(e.length)
		if length > maxObjectName || length > o.Size()-nameEntrySize {
			return fmt.Errorf("name of %d bytes at %#x: %w", length, off, ErrCorrupt)
		}
		if !f(string(o.Bytes()[nameEntrySize:nameEntrySize+length]), object) {
			return nil
		}
		below, off = off, next
	}
	return nil
}

// find looks a name up.
func (s *Segment) find(name string) (Object, error) {
	var found uint64
	if err := s.names(func(n string, object uint64) bool {
		if n == name {
			found = object
		}
		return found == 0
	}); err != nil {
		return Object{}, err
	}
	if found == 0 {
		return Object{}, ErrNotExist
	}
	o, err := s.objectAt(found)
	if errors.Is(err, ErrStale) {
		err = fmt.Errorf("name leads to %#x, where no object is: %w", found, ErrCorrupt)
	}
	return o, err
}
