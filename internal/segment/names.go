package segment

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/kindred-ipc/kindred/internal/word"
)

// The directory is a list of the objects that have names, newest first, linked by their places. A name
// stands in its object's block. Names are given and taken away under the heap's lock, by one store each;
// reading takes none: whoever reads an object's header looks afterwards whether it is still the object,
// and begins again if it is not. Along the list the serials of the names go down, so reading ends,
// whatever stands there.

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

// directoryOffset is where the word lies that names the newest object.
const directoryOffset = Line + 32

// entry is what one object says of its name.
type entry struct {
	object Object
	name   string
	serial uint64
	next   uint64
}

// errMoved says that an object of the list was freed while it was read.
var errMoved = errors.New("freed meanwhile")

// entryAt reads the object that a word of the list names.
func (s *Segment) entryAt(place uint64) (e entry, err error) {
	off := place & refOffsetBitMask * refUnit
	o, err := s.objectAt(off)
	if err == nil && o.generation != uint32(place>>refOffsetBits) || errors.Is(err, ErrStale) {
		return e, errMoved
	}
	if err != nil {
		return e, err
	}
	h := s.m.block(off)
	length := uint64(h.nameLength)
	if length == 0 || length > maxObjectName || length > o.body-o.off-blockHeaderSize {
		err = fmt.Errorf("name of %d bytes at %#x: %w", length, off, ErrCorrupt)
	} else {
		e = entry{o, string(s.m.bytes(off+blockHeaderSize, length)), h.serial, h.next.Load()}
	}
	if _, gone := o.Block().look(); gone != nil {
		return e, errMoved
	}
	return e, err
}

// Title is what an error calls the object of that kind at that place: with its name, if it has one.
func (s *Segment) Title(k Kind, place uint64) string {
	if word.Modelled {
		return k.String() // to look is no move of a protocol
	}
	if e, err := s.entryAt(place); err == nil {
		return fmt.Sprintf("%s %q", k, e.name)
	}
	return k.String()
}

// names calls f with each name, newest first, until f reports false. It begins again, and calls begin
// before it does, when the list was changed where it stood.
func (s *Segment) names(begin func(), f func(entry) bool) error {
	for range attempts {
		begin()
		err := s.walk(f)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return fmt.Errorf("directory in %d attempts: %w", attempts, ErrCorrupt)
}

func (s *Segment) walk(f func(entry) bool) error {
	place := s.m.header().directory.Load()
	first := place
	for below := uint64(math.MaxUint64); place != 0; {
		e, err := s.entryAt(place)
		if errors.Is(err, errMoved) && place == first && s.m.header().directory.Load() == place {
			err = fmt.Errorf("directory leads to %#x, where no object is: %w", place, ErrCorrupt)
		}
		if err != nil {
			return err
		}
		if e.serial >= below {
			return fmt.Errorf("directory entry at %#x: %w", e.object.off, ErrCorrupt)
		}
		if !f(e) {
			return nil
		}
		below, place = e.serial, e.next
	}
	return nil
}

// find looks a name up.
func (s *Segment) find(name string) (o Object, err error) {
	if err := s.names(func() {}, func(e entry) bool {
		if e.name == name {
			o = e.object
		}
		return o.off == 0
	}); err != nil {
		return Object{}, err
	}
	if o.off == 0 {
		return Object{}, ErrNotExist
	}
	return o, nil
}

// before finds the word of the list that names an object, and what it is to name instead; 0 if none
// does. The heap's lock is held.
func (s *Segment) before(place uint64) (at, next uint64, err error) {
	word := uint64(directoryOffset)
	err = s.names(func() { word, at, next = directoryOffset, 0, 0 }, func(e entry) bool {
		if e.object.Block().Place() == place {
			at, next = word, e.next
			return false
		}
		word = e.object.off + nextOffset
		return true
	})
	return at, next, err
}

// nextOffset is where the word lies in an object's block that names the next older object with a name.
const nextOffset = 8

// christen gives a new object its name, unless another one has it. The store to the directory commits it;
// a death before that leaves nothing.
func (s *Segment) christen(o Object, name string) error {
	l, err := s.hold()
	if err != nil {
		return err
	}
	defer l.Unlock()
	if _, err := s.find(name); !errors.Is(err, ErrNotExist) {
		return s.taken(err)
	}
	h, b := s.m.block(o.off), o.Block()
	directory := &s.m.header().directory
	newest := directory.Load()
	h.serial = 1
	if newest != 0 {
		e, err := s.entryAt(newest)
		if err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		h.serial = e.serial + 1
	}
	h.next.Store(newest)
	if err := b.Tie(directoryOffset); err != nil {
		return err
	}
	if err := b.finish(); err != nil {
		return err
	}
	directory.Store(b.Place())
	return b.Settle()
}

// finish is complete, for a block that is tied.
func (b Block) finish() error {
	return b.move(func(c control, self uint64) (control, bool) {
		return c | objectFlag, c.owner() == self && c.state() == blockTied
	})
}
