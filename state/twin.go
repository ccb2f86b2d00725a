package state

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// twin is a value of more than 8 bytes, which lies there twice. The sequence says which copy is the value:
// that of its lowest bit. Whoever writes holds the object's lock, writes to the other copy, and commits by
// one store of the next sequence:
//
//	sequence   copy 0    copy 1
//	2n         the value written by who holds the lock, or was by one who died
//	2n+1       likewise  the value
//
// So a death leaves the old value or the new one, whole, and a writer that is stopped keeps no reader from
// either. A reader copies without the lock, and looks at the sequence again: unless it moved, nobody has
// begun to write to that copy. (A sequence lock whose writers need no reader to wait for them: the double
// buffer of the iceoryx2 blackboard, with a lock for its one writer.)
type twin struct {
	sequence *word.Uint64 // pairs: the store in write, the loads in read
	copies   [2][]byte
}

func twinAt(sequence *word.Uint64, copies []byte, size uint64) twin {
	half := len(copies) / 2
	return twin{sequence, [2][]byte{copies[:size:half], copies[half:][:size:half]}}
}

// current is the value for who holds the lock.
func (t *twin) current(dst []byte) { copyOut(dst, t.copies[t.sequence.Load()&1]) }

// write makes src the value. The caller holds the lock.
func (t *twin) write(src []byte) {
	s := t.sequence.Load()
	copy(t.copies[(s+1)&1], src)
	t.sequence.Store(s + 1)
}

// glance copies the value, and reports whether it stayed the value meanwhile.
func (t *twin) glance(dst []byte) bool {
	s := t.sequence.Load()
	copyOut(dst, t.copies[s&1])
	return t.sequence.Load() == s
}

const (
	glances  = 64                    // before a reader asks for the lock
	patience = 10 * time.Millisecond // with the lock, before it looks again
	rounds   = 1000                  // of those
)

// read copies the value. Where writers follow each other so closely that none of many looks succeeds, it
// takes the lock, which is fair; while that is had by somebody who is stopped, there are no writers, and a
// look succeeds.
func (t *twin) read(dst []byte, l *segment.Lock) error {
	for i := range glances {
		if t.glance(dst) {
			return nil
		}
		if i%8 == 7 {
			runtime.Gosched()
		}
	}
	return t.readSlow(dst, l)
}

func (t *twin) readSlow(dst []byte, l *segment.Lock) error {
	return persist(l, func() (bool, error) { return t.glance(dst), nil })
}

// persist is for a reader whose looks were all in vain. Between further ones it asks for the lock, for a while each time.
// look reports whether it saw one state, which it does under the lock.
func persist(l *segment.Lock, look func() (bool, error)) error {
	observer := false
	for i := range rounds {
		if done, err := look(); done {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := hold(ctx, l)
		over := ctx.Err() != nil
		cancel()
		switch {
		case err == nil:
			_, err = look()
			return errors.Join(err, l.Unlock())
		case errors.Is(err, segment.ErrReadOnly):
			observer = true
			stepBack(i)
		case !over:
			return err
		}
	}
	if observer {
		return fmt.Errorf("no look in %d found it unchanged: %w", rounds, ErrBusy)
	}
	return fmt.Errorf("it changes without end under a lock that is held: %w", ErrCorrupt)
}

// stepBack is the pause of an observer, who can ask for no lock, before round i of looking again: longer each time, so
// that it meets a gap between writers.
func stepBack(i int) { time.Sleep(time.Duration(i) * time.Microsecond) }
