package segment

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/word"
)

// at is the address of offset off. The caller has checked that what it looks at there is inside.
func (m *mapping) at(off uint64) unsafe.Pointer { return unsafe.Pointer(&m.mem[off]) }

func (m *mapping) header() *header { return (*header)(m.at(0)) }

// participant is the slot i of the table.
func (m *mapping) participant(i uint32) *participant {
	return (*participant)(m.at(tableOffset + uint64(i)*participantSize))
}

// run is the entry i of the table of runs that begins at runs.
func (m *mapping) run(runs, i uint64) *run { return (*run)(m.at(runs + i*runSize)) }

// word is the word at off, which is a multiple of 8.
func (m *mapping) word(off uint64) *word.Uint64 { return (*word.Uint64)(m.at(off)) }

// block is the header of the object at off.
func (m *mapping) block(off uint64) *blockHeader { return (*blockHeader)(m.at(off)) }

// bytes is n bytes from off on.
func (m *mapping) bytes(off, n uint64) []byte { return m.mem[off : off+n : off+n] }
