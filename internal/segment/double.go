package segment

import "fmt"

// Double is a range of the segment that is mapped twice in a row, so that a record which crosses
// its end is contiguous in the second copy. It is cut loose with the segment.
type Double struct {
	m *mapping
}

// extent is where a range lies.
type extent struct{ off, n uint64 }

// Double maps the n bytes from off on twice in a row. Both are multiples of 64 KiB. All handles of
// this attach share one mapping of a range, which lasts until Close.
func (s *Segment) Double(off, n uint64) (*Double, error) {
	if off%pageAlign != 0 || n%pageAlign != 0 || n == 0 || off > s.m.size() || s.m.size()-off < n {
		return nil, fmt.Errorf("map %d bytes from %#x twice: %w", n, off, ErrCorrupt)
	}
	if s.IsClosed() {
		return nil, ErrClosed
	}
	s.mu.Lock()
	m := s.views[extent{off, n}]
	s.mu.Unlock()
	if m != nil {
		return &Double{m: m}, nil
	}
	m, err := mapTwice(s.file, off, n, s.Self() == 0)
	if err != nil {
		return nil, s.unlessClosed(err)
	}
	if err := s.want.view(m); err != nil {
		return nil, s.unlessClosed(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.IsClosed() {
		return nil, ErrClosed
	}
	if first := s.views[extent{off, n}]; first != nil {
		m = first // this one goes with the collector
	} else {
		s.views[extent{off, n}] = m
	}
	return &Double{m: m}, nil
}

// Bytes is the range, twice in a row.
func (d *Double) Bytes() []byte { return d.m.mem }

// PageAlign is what offsets and sizes of a Double are multiples of, on every machine.
const PageAlign = pageAlign
