package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A budget is the time that all rows may take together. Each row may take its share of what is left, and measures less
// often if it is slow; what the quick ones leave is the slow ones'. The zero budget has no end.
type budget struct {
	end  time.Time
	now  func() time.Time
	rows int           // that are to come
	keep time.Duration // what no row may take from each that is to come: most of what it had at first

	fewer, none []string // the rows that were measured less often, or not at all
}

// impatience is by how much one row may exceed its share, if others have left as much, before it is given up.
const impatience = 4

// errNoTime says that a row could not be measured in the time that there is, which is no failure.
var errNoTime = errors.New("no time is left for it")

// begin is the begin of the next row: its share of the time, 0 where there is no end, and when to give it up.
func (b *budget) begin() (share time.Duration, giveUp time.Time, err error) {
	if b.end.IsZero() {
		return 0, time.Time{}, nil
	}
	now := b.now()
	left := b.end.Sub(now)
	if left <= 0 {
		return 0, time.Time{}, errNoTime
	}
	share = left / time.Duration(max(b.rows, 1))
	if b.keep == 0 {
		b.keep = share * 3 / 4
	}
	b.rows--
	spare := left - time.Duration(b.rows)*b.keep
	return share, now.Add(min(impatience*share, max(share, spare))), nil
}

// cut notes how often a row was measured.
func (b *budget) cut(name string, runs, wanted int) {
	switch {
	case runs == 0:
		b.none = append(b.none, name)
	case runs < wanted:
		b.fewer = append(b.fewer, fmt.Sprintf("%s (%d)", name, runs))
	}
}

// tell says what was cut.
func (b *budget) tell(w io.Writer, wanted int) {
	if len(b.fewer) > 0 {
		fmt.Fprintf(w, "cut: measured less often than %d times: %s\n", wanted, strings.Join(b.fewer, ", "))
	}
	if len(b.none) > 0 {
		fmt.Fprintf(w, "cut: not measured, for want of time: %s\n", strings.Join(b.none, ", "))
	}
}
