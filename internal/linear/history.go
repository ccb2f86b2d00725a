package linear

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Kind is what an operation does: an index into the Kinds of its Model, from 1.
type Kind uint64

// Death is the kind of the end of a process.
const Death Kind = 0

// Code is what came of an operation.
type Code uint64

const (
	OK             Code = iota
	Refused             // it could not go on, and did not wait
	TimedOut            // it waited until its context ended
	Busy                // somebody else has it
	OwnerDied           // it has what a dead process had
	PeerDied            // the other side died
	Closed              // the other side closed
	NotRecoverable      // nobody ever gets it
	Broken              // what it got is nothing that anybody put there
)

var codeNames = [...]string{
	"ok", "refused", "timed out", "busy", "owner died", "peer died", "closed", "not recoverable", "broken",
}

func (c Code) String() string {
	if c >= Code(len(codeNames)) {
		return fmt.Sprintf("code %d", uint64(c))
	}
	return codeNames[c]
}

// Over reports whether a call failed because its context ended.
func Over(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Fate is how much is known of the end of an operation.
type Fate uint8

const (
	Returned Fate = iota
	CutOff        // took effect or did not, and whatever it would have returned is unknown
	Happened      // likewise, supposed to have taken effect
	Vanished      // likewise, supposed not to have
)

// Op is one operation of a history.
type Op struct {
	Kind            Kind
	Client, Process int
	Args            [2]uint64
	Fate            Fate
	Code            Code      // if it returned
	Outs            [2]uint64 // likewise
	Call, Return    int64     // CLOCK_MONOTONIC; of one that was cut off, when its process was reaped
	Killed          bool      // of a Death: it was a kill's
}

// History is the operations of a trial, by their calls.
type History []Op

// gather is what one client did. Its process was reaped at the time reaped.
func gather(client, process int, records []record, reaped int64) History {
	var h History
	for i := range records {
		r := &records[i]
		op := Op{Kind: Kind(r.kind), Client: client, Process: process, Args: r.args, Call: r.call.Load()}
		if op.Call == 0 {
			break
		}
		if op.Return = r.back.Load(); op.Return == 0 {
			op.Fate, op.Return = CutOff, reaped
		} else {
			op.Code, op.Outs = Code(r.code.Load()-1), r.outs
		}
		h = append(h, op)
	}
	return h
}

// merge is all of it in the order of the calls.
func merge(parts ...History) History {
	h := slices.Concat(parts...)
	slices.SortStableFunc(h, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	return h
}

// cutOff is where the operations that were cut off are.
func (h History) cutOff() []int {
	var at []int
	for i, op := range h {
		if op.Fate != Returned {
			at = append(at, i)
		}
	}
	return at
}

// overlapping counts the operations that returned, and overlap one of another process that returned.
// One that was cut off does not make others count: it lasts until its process is reaped, and so
// overlaps whatever comes meanwhile.
func (h History) overlapping() int {
	overlaps := make([]bool, len(h))
	var open []int // those before that may not have ended
	for i, op := range h {
		if op.Kind == Death || op.Fate != Returned {
			continue
		}
		open = slices.DeleteFunc(open, func(j int) bool { return h[j].Return <= op.Call })
		for _, j := range open {
			if h[j].Process != op.Process {
				overlaps[i], overlaps[j] = true, true
			}
		}
		open = append(open, i)
	}
	n := 0
	for _, o := range overlaps {
		if o {
			n++
		}
	}
	return n
}

// until is the history as somebody would have seen it at the time t: what had not returned then may
// have happened or not, now or later.
func (h History) until(t int64) History {
	var part History
	for _, op := range h {
		if op.Call > t {
			break
		}
		if op.Return > t {
			op.Fate, op.Return = CutOff, math.MaxInt64
		}
		part = append(part, op)
	}
	return part
}

// times says when op began and ended, from start on.
func (op Op) times(start int64) string {
	end := "..."
	if op.Return != math.MaxInt64 {
		end = time.Duration(op.Return - start).String()
	}
	return fmt.Sprintf("%v to %v", time.Duration(op.Call-start), end)
}
