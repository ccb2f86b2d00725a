//go:build interleave && (linux || darwin)

package interleave

// sharing knows which words, and which locked bytes, more than one process uses while one of them
// changes it. An access to any other commutes with all that others do, so nothing need happen before
// it. What is shared is found out as the search goes: a word is not until somebody proves otherwise,
// and then the search begins again. The last pass, in which nobody proved anything, is sound: the
// first access of a run that makes a word shared comes behind accesses that were all treated right.
type sharing struct {
	users map[uint64]*use
	all   bool // everything is taken for shared
	stale bool // something turned out to be shared that was not treated so in this pass
}

type use struct {
	readers, writers uint64 // processes, as bits
	shared           bool
}

// lockedByte keeps the locked bytes apart from the words.
const lockedByte = 1 << 63

// point reports whether an access needs a point before it.
func (s *sharing) point(what uint64, p *Process, writes bool) bool {
	if s.all {
		return true
	}
	u := s.users[what]
	if u == nil {
		u = new(use)
		s.users[what] = u
	}
	if writes {
		u.writers |= 1 << p.index
	} else {
		u.readers |= 1 << p.index
	}
	if u.shared {
		return true
	}
	all := u.readers | u.writers
	if u.writers != 0 && all&(all-1) != 0 {
		u.shared, s.stale = true, true
		return true
	}
	return false
}
