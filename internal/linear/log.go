package linear

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	mmap "github.com/edsrzf/mmap-go"
)

// journal is the file in which one process notes its operations, mapped by it and by the parent. It
// is plain memory of the page cache: what was stored is there when the process is not, whatever ended
// it.
type journal struct {
	file    *os.File
	memory  mmap.MMap
	control *control
	records []record // of all clients, one behind the other
	seen    []int    // of each client, records that progress has passed
}

// control is what the parent and the process say to each other.
type control struct {
	ready  atomic.Uint32 // the process stands at the start
	begin  atomic.Uint32 // the parent: begin
	hunted atomic.Uint32 // the parent: no pauses from now on, a kill is coming; from byFuse on, see to it
	stop   atomic.Uint32 // the parent: come to an end
	_      [112]byte
}

const (
	byParent = 1 // hunted: the parent kills
	byFuse   = 2 // hunted: one of the clients has the process killed, in so many nanoseconds more
)

// record is one operation. Its words are stored from top to bottom.
//
//	call  code  back
//	0     0     0     not begun, or not known to have begun: nothing was done
//	t     0     0     cut off
//	t     c     0     cut off, and known to have been through; taken for cut off all the same
//	t     c     u     returned at u
type record struct {
	kind uint64
	args [2]uint64
	call atomic.Int64
	outs [2]uint64
	code atomic.Uint64 // one more than the Code
	back atomic.Int64
}

// A client has room for that many records, and comes to an end when fewer than spare are left. So a
// loop need ask only once for each few operations that belong together.
const (
	room  = 400
	spare = 16
)

const (
	controlSize = 128
	recordSize  = 64
)

func journalSize(clients int) int { return controlSize + clients*room*recordSize }

// newJournal makes the file, without a name.
func newJournal(dir string, clients int) (*journal, error) {
	f, err := os.CreateTemp(dir, "journal-*")
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Remove(f.Name()), f.Truncate(int64(journalSize(clients))))
	if err == nil {
		var j *journal
		if j, err = openJournal(f, clients); err == nil {
			return j, nil
		}
	}
	return nil, errors.Join(err, f.Close())
}

// openJournal maps the file, which is the journal's from then on.
func openJournal(f *os.File, clients int) (*journal, error) {
	memory, err := mmap.MapRegion(f, journalSize(clients), mmap.RDWR, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("map the journal of %d clients: %w", clients, err)
	}
	j := &journal{file: f, memory: memory, seen: make([]int, clients)}
	j.control, j.records = parts(memory, clients*room)
	for i := range j.records {
		// Now, and not in the middle of things: a page fault takes as long as twenty operations, and a
		// kill would fall there as a rule.
		j.records[i].back.CompareAndSwap(0, 0)
	}
	return j, nil
}

func (j *journal) close() error {
	return errors.Join(j.memory.Unmap(), j.file.Close())
}

// of is the records of one client.
func (j *journal) of(client int) []record { return j.records[client*room : (client+1)*room] }

// progress is how many operations were begun. One goroutine at a time may ask.
func (j *journal) progress() int {
	begun := 0
	for i, n := range j.seen {
		records := j.of(i)
		for n < len(records) && records[n].call.Load() != 0 {
			n++
		}
		j.seen[i] = n
		begun += n
	}
	return begun
}
