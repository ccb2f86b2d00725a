package segment

import (
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// fence is the waiter's part of the asymmetric fence (see package futex): a brief sleep first, and
// a barrier only before a long one. The barrier must come after the mark that stands now, and a
// signal takes the mark away, so only a sleep that ran its full time leads to the long one.
type fence struct {
	event    *futex.Event
	needed   bool
	prompt   bool // no brief sleep comes first
	quiet    bool // the last sleep ran its full time under a mark that nobody took away
	raised   bool // the barrier was executed under that mark
	demanded bool
	seq      uint32 // of that mark
}

// begin has w, if it is folded, pay for the barrier at once: it takes less than to fold a wait twice.
func (f *fence) begin(w *waiter) {
	f.prompt = f.prompt || w.folded
	f.quiet = f.prompt
}

// carried is what of f a turn of the loop that waits leaves for the next.
func (f *fence) carried() uint64 {
	c := word.Bit(f.quiet) | word.Bit(f.raised)<<1 | word.Bit(f.demanded)<<2 | word.Bit(f.prompt)<<3
	if f.raised {
		c |= uint64(f.seq) << 32
	}
	return c
}

// announced takes note of the mark that stands now. A sleep may run its full time and a signal come
// right behind it, before the next mark; that moves the sequence. (One that has only begun moves it
// later, and does not let the waiter sleep.)
func (f *fence) announced(seq uint32) {
	f.raised = f.raised && seq == f.seq
	f.seq = seq
}

// settle is what comes before a sleep, for who needs it, and reports whether to look again.
func (f *fence) settle() bool {
	if f.quiet {
		return f.raise() // or it came
	}
	return f.linger()
}

// linger lets a plain store that is on its way arrive, and reports whether to look again. It proves
// nothing, but spares most of those who came too late for one the short sleep.
func (f *fence) linger() bool {
	if !futex.ManyCPUs() {
		return false // nobody's store is on its way while this process runs
	}
	for range lingers {
		futex.Pause()
	}
	return true
}

// raise executes the barrier if a long sleep comes next, and reports whether to look again.
func (f *fence) raise() bool {
	if !f.needed || !f.quiet || f.raised {
		return false
	}
	f.raised = true
	if !barrier() && !f.demanded {
		f.event.Demand()
		f.demanded, f.prompt, f.quiet, f.raised = true, false, false, false
	}
	return true
}

func (f *fence) slept(out futex.Outcome) {
	f.quiet = out == futex.TimedOut || f.prompt
	f.raised = f.raised && f.quiet
}
