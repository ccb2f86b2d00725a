package corruption

import (
	"os"

	mmap "github.com/edsrzf/mmap-go"
)

// journal is where the operator writes down what it does before it does it, in memory of its own that
// its parent sees: whatever becomes of the operator, that stays.
type journal struct {
	mem mmap.MMap
}

// Words of a journal. The counts of classes follow.
const (
	journalTrial  = iota // that is under way, plus 1
	journalDone          // trials that ended
	journalGuards        // sides of mappings that are guarded
	journalStage         // of a storm
	journalClasses

	journalOp   = 1024 // where the operation's name stands
	journalSize = 4096
	maxOp       = 64
)

// Stages: the operator is ready, its parent lets it go, a storm is over, the operator has come to its end.
const (
	stageReady = iota + 1
	stageGo
	stageOver
	stageDone
)

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(journalSize); err != nil {
		return nil, err
	}
	mem, err := mmap.Map(f, mmap.RDWR, 0)
	return &journal{mem}, err
}

func (j *journal) close() error { return j.mem.Unmap() }

// begin notes the operation that comes next.
func (j *journal) begin(op string) {
	b := j.mem[journalOp : journalOp+maxOp]
	clear(b[copy(b, op):])
}

// op is the last operation that was noted.
func (j *journal) op() string {
	b := j.mem[journalOp : journalOp+maxOp]
	for n := range b {
		if b[n] == 0 {
			return string(b[:n])
		}
	}
	return string(b)
}

// count counts an answer.
func (j *journal) count(c Class) {
	for i := range classes {
		if classes[i].class == c {
			j.word(journalClasses + 1 + i).Add(1)
			return
		}
	}
	j.word(journalClasses).Add(1) // ok
}

// answers is how many there were of each class.
func (j *journal) answers() map[Class]uint64 {
	all := map[Class]uint64{ok: j.word(journalClasses).Load()}
	for i := range classes {
		if n := j.word(journalClasses + 1 + i).Load(); n > 0 {
			all[classes[i].class] += n
		}
	}
	return all
}
