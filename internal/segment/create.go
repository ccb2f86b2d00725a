package segment

import (
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxName is how long a segment's name may be: a file's name, less the prefix.
const maxName = 200

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("empty name: %w", ErrName)
	case len(name) > maxName:
		return fmt.Errorf("name of %d bytes, at most %d: %w", len(name), maxName, ErrName)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("name %q contains a slash or NUL: %w", name, ErrName)
	}
	return nil
}

// Create makes a named segment of size bytes, rounded up to 64 KiB. Nobody sees it before it is
// complete; a creator that dies half-way leaves nothing.
func Create(name string, size int64, c Config) (*Segment, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	plan, err := newPlan(size, &c)
	if err != nil {
		return nil, err
	}
	mode := c.Mode
	if mode == 0 {
		mode = 0o600
	}
	path := c.path(name)
	if _, err := os.Lstat(path); err == nil {
		return nil, ErrExist
	}
	f, err := unnamedFile(filepath.Dir(path), mode)
	if err != nil {
		return nil, noSpace(err)
	}
	s, err := build(f, plan, name, &c)
	if err != nil {
		abandon(f)
		return nil, err
	}
	if err := link(f, path); err != nil {
		s.Close()
		return nil, noSpace(err) // a link may take an inode
	}
	return s, nil
}

// Anonymous makes a segment without a name, which goes away with the last process that has it.
func Anonymous(size int64, c Config) (*Segment, error) {
	plan, err := newPlan(size, &c)
	if err != nil {
		return nil, err
	}
	f, err := anonymousFile(plan.size)
	if err != nil {
		return nil, err
	}
	s, err := build(f, plan, "", &c)
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// plan is where everything is in a segment.
type plan struct {
	id           uint64
	size         int64
	participants uint32
	geometry
}

// NoParticipants is a zero that was asked for.
const NoParticipants = math.MinInt

func newPlan(size int64, c *Config) (plan, error) {
	if !supported() {
		return plan{}, ErrUnsupported
	}
	n := c.Participants
	switch n {
	case 0:
		n = defaultParticipants
	case NoParticipants:
		n = 0
	}
	if n < 1 || n > maxParticipants {
		return plan{}, fmt.Errorf("%d participants, 1 to %d are possible: %w", n, maxParticipants, ErrSize)
	}
	if size <= 0 || size > maxSize {
		return plan{}, fmt.Errorf("%d bytes, 1 to %d are possible: %w", size, int64(maxSize), ErrSize)
	}
	shift := uint(largeRunShift)
	if size <= smallSegment {
		shift = smallRunShift
	}
	// The size is what the user wants to have for objects; the tables come on top.
	runs := (uint64(size) + 1<<shift - 1) >> shift
	g := layRuns(uint32(n), shift, runs)
	align := uint64(pageAlign)
	if c.HugePages {
		align = hugePage
	}
	total := min(alignUp(g.heap+runs<<shift, align), maxSize)
	g, ok := lay(uint32(n), shift, total)
	if !ok {
		return plan{}, fmt.Errorf("%d bytes beside the tables: %w", size, ErrSize)
	}
	return plan{size: int64(total), participants: uint32(n), geometry: g}, nil
}

// tableOffset is where the participants begin: right behind the header.
const tableOffset = 3 * Line

// build fills a new file and attaches to it. The file has no name yet.
func build(f *os.File, p plan, name string, c *Config) (*Segment, error) {
	if name != "" {
		if err := truncate(f, p.size); err != nil {
			return nil, err
		}
	}
	if err := commit(f, 0, int64(p.runs)); err != nil {
		return nil, err
	}
	m, err := mapFor(f, p, c)
	if err != nil {
		return nil, err
	}
	if p.id, err = newID(); err != nil {
		return nil, err
	}
	p.write(m)
	return attach(f, m, p, name, c)
}

// write makes zeroed memory a segment. The magic comes last.
func (p plan) write(m *mapping) {
	h := m.header()
	h.version = version
	h.participants = p.participants
	h.layout = layoutHash()
	h.size = uint64(p.size)
	h.id = p.id
	h.tableOffset = tableOffset
	h.runsOffset = p.runs
	h.controlsOffset = p.controls
	h.heapOffset = p.heap
	h.runShift = uint32(p.shift)
	h.created = time.Now().UnixNano()
	h.creator = uint32(os.Getpid())
	h.publish()
}

// newID draws a segment's identity; 0 stands for none.
func newID() (uint64, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("draw an identity: %w", err)
		}
		if id := readUint64(b[:]); id != 0 {
			return id, nil
		}
	}
}

// noSpace makes the system's several ways of saying "full" one.
func noSpace(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w (%w)", ErrNoSpace, err)
	}
	return err
}
