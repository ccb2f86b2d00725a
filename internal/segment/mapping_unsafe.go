package segment

import (
	"unsafe"
)

// at is the address of offset off. The caller has checked that n bytes from there are inside.
func (m *mapping) at(off uint64) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(m.mem[off:]))
}

func (m *mapping) header() *header { return (*header)(m.at(0)) }

// participant is the slot i of the table.
func (m *mapping) participant(i uint32) *participant {
	return (*participant)(m.at(tableOffset + uint64(i)*participantSize))
}

// block is the header of the block at off, or nil if it would not lie inside of the mapping.
func (m *mapping) block(off uint64) *blockHeader {
	if off%Line != 0 || off > m.size() || m.size()-off < Line {
		return nil
	}
	return (*blockHeader)(m.at(off))
}

func (m *mapping) nameEntry(off uint64) *nameEntry { return (*nameEntry)(m.at(off)) }

// bytes is n bytes from off on.
func (m *mapping) bytes(off, n uint64) []byte { return m.mem[off : off+n : off+n] }
