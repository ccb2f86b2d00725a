package crashcases

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// item is what goes through a ring: a value, or the begin of a record.
type item struct {
	Number uint64 // from 1, of each who pushes
	By     by
	Final  uint32 // 1: nothing comes behind it
}

// by is who pushed an item, in the order in which they come.
type by uint32

const (
	_          by = iota
	bySetup       // before the trial
	byVictim      // who is killed
	bySecond      // the victim's successor, who is killed as well
	bySurvivor    // whoever is left
)

func (b by) String() string {
	return [...]string{"nobody", "the setup", "the victim", "the second victim", "a survivor"}[min(b, bySurvivor)]
}

// itemSize is how many bytes an item takes in a record.
const itemSize = 16

// encode fills a record with the item, and with bytes that follow from it.
func (i item) encode(record []byte) {
	binary.LittleEndian.PutUint64(record, i.Number)
	binary.LittleEndian.PutUint32(record[8:], uint32(i.By))
	binary.LittleEndian.PutUint32(record[12:], i.Final)
	for k := itemSize; k < len(record); k++ {
		record[k] = byte(k) + byte(i.Number)
	}
}

// decode reads what encode wrote.
func decode(record []byte) (i item, err error) {
	if len(record) < itemSize {
		return i, fmt.Errorf("a record of %d bytes that nobody wrote", len(record))
	}
	i = item{
		Number: binary.LittleEndian.Uint64(record),
		By:     by(binary.LittleEndian.Uint32(record[8:])),
		Final:  binary.LittleEndian.Uint32(record[12:]),
	}
	begin := itemSize + int(byte(i.Number))
	if bytes.Equal(record[itemSize:], ramp[begin:begin+len(record)-itemSize]) {
		return i, nil
	}
	for k := itemSize; k < len(record); k++ {
		if record[k] != byte(k)+byte(i.Number) {
			return i, fmt.Errorf("byte %d of %d of %v is %#x", k, len(record), i, record[k])
		}
	}
	return i, nil
}

// ramp is what encode writes behind an item, from some place on: it is compared at once, because a victim that looks at
// each byte is stepped through all of that.
var ramp = func() (r [1<<16 + 1<<8]byte) {
	for i := range r {
		r[i] = byte(i)
	}
	return r
}()

// history is what one process saw come out of a ring.
type history struct {
	items  []item
	midway bool // it begins behind what the victim saw
	died   int  // how many items came before a writer's death was reported for the first time; -1: it was not
}

// see takes note of the next item, and fails if it cannot be the next.
func (h *history) see(i item) error {
	if i.By < bySetup || i.By > bySurvivor || i.Final > 1 {
		return fmt.Errorf("%+v, which nobody pushed, behind %+v", i, h.items)
	}
	if n := len(h.items); n > 0 {
		last := h.items[n-1]
		next := i.By == last.By && i.Number == last.Number+1 || i.By > last.By && i.Number == 1
		if !next || last.Final == 1 {
			return fmt.Errorf("%+v behind %+v", i, h.items)
		}
	} else if i.By != bySetup && i.Number != 1 && !h.midway {
		return fmt.Errorf("%+v is the first", i)
	}
	h.items = append(h.items, i)
	return nil
}

// count is how many items came from one.
func (h *history) count(who by) (n int) {
	for _, i := range h.items {
		if i.By == who {
			n++
		}
	}
	return n
}

// final reports whether the last item was seen.
func (h *history) final() bool {
	n := len(h.items)
	return n > 0 && h.items[n-1].Final == 1
}
