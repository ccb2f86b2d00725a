package ring_test

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/ring"
)

// codeOf is what came of a call, for the record. It reports false for what should not come of any.
func codeOf(err error) (linear.Code, bool) {
	switch {
	case err == nil:
		return linear.OK, true
	case errors.Is(err, ring.ErrBusy):
		return linear.Busy, true
	case errors.Is(err, ring.ErrPeerDied):
		return linear.PeerDied, true
	case errors.Is(err, ring.ErrClosed):
		return linear.Closed, true
	case linear.Over(err):
		return linear.TimedOut, true
	}
	return 0, false
}

// note records what came of a call, and returns err if that should not have come.
func note(c *linear.Client, err error, outs ...uint64) (linear.Code, error) {
	code, ok := codeOf(err)
	if !ok {
		return 0, err
	}
	c.Return(code, outs...)
	return code, nil
}

// noteTry is note for calls that do not wait.
func noteTry(c *linear.Client, got bool, err error, outs ...uint64) (linear.Code, error) {
	if !got && err == nil {
		c.Return(linear.Refused)
		return linear.Refused, nil
	}
	return note(c, err, outs...)
}

// heldEnd is one end of a ring, as the models of rings have it.
type heldEnd struct {
	taken  bool
	holder int // process
	dead   bool
	closed bool
}

// take is what Writer and Reader do. The end of a dead process may look as if it were held, for as long
// as somebody sweeps what that one left: nobody can tell the lock of a sweeper from that of the owner.
func (e heldEnd) take(op linear.Op) (heldEnd, bool) {
	cut := op.Fate != linear.Returned
	switch {
	case e.closed:
		return e, !cut && op.Code == linear.Closed
	case e.taken && !cut && op.Code == linear.Busy:
		return e, true
	case e.taken && !e.dead:
		return e, false
	}
	return heldEnd{taken: true, holder: op.Process}, cut || op.Code == linear.OK
}

// shut is what Close does.
func (e heldEnd) shut(op linear.Op) (heldEnd, bool) {
	return heldEnd{closed: true}, e.of(op) && (op.Fate != linear.Returned || op.Code == linear.OK)
}

// of reports whether the end is that of the process of op.
func (e heldEnd) of(op linear.Op) bool { return e.taken && !e.dead && e.holder == op.Process }

// orphaned reports whether the other end is to hear of a death.
func (e heldEnd) orphaned() bool { return e.taken && e.dead }

func (e *heldEnd) die(process int) { e.dead = e.dead || e.taken && e.holder == process }
