package segment

import (
	"os"

	"github.com/kindred-ipc/kindred/internal/liveness"
)

// A Ledger is a segment's file as one reads it who is not attached, by read(2) alone: so whoever handed the file in may
// truncate it, and is an error. It says whether a block is there still, and whether anybody is attached.
type Ledger struct {
	file *os.File
	plan plan
}

// LedgerOf is that of a segment's file, which is the ledger's from now on, unless there is an error.
func LedgerOf(f *os.File) (*Ledger, error) {
	if !supported() {
		return nil, ErrUnsupported
	}
	if err := plainFile(f); err != nil {
		return nil, err
	}
	p, err := validate(f)
	if err != nil {
		return nil, err
	}
	return &Ledger{f, p}, nil
}

// ID is the segment's identity.
func (l *Ledger) ID() uint64 { return l.plan.id }

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }

// Has reports whether the block is there that a word names. What cannot be read is not.
func (l *Ledger) Has(place uint64) bool {
	g := l.plan.geometry
	off, end := place&refOffsetBitMask&^7*refUnit, g.heap+g.count<<g.shift
	if off < g.heap || off >= end {
		return false
	}
	var b [8]byte
	if _, err := l.file.ReadAt(b[:], int64(g.controls+(off-g.heap)/granule*8)); err != nil {
		return false
	}
	c := control(readUint64(b[:]))
	return c.used() && c.generation() == uint32(place>>refOffsetBits)
}

// Attended reports whether anybody is attached, or may come to be: whether the file has a name still.
func (l *Ledger) Attended() bool {
	if linked(l.file) {
		return true
	}
	held, err := liveness.HeldAny(l.file, lockBase, int64(l.plan.participants))
	return err != nil || held || !lockedHere
}

// Mourn has the deaths of participants be settled, if this process is attached to the segment: what they had of the heap, and nobody
// has asked for since, is free then.
func Mourn(id uint64) {
	s, err := Reach(nil, RefOf(id))
	if err != nil {
		return
	}
	all, err := s.Participants()
	if err != nil {
		return
	}
	for _, p := range all {
		if !p.Alive {
			s.Gone(p.Owner)
		}
	}
}
