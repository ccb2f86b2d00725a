package futex

import (
	"runtime"

	"github.com/kindred-ipc/kindred/internal/word"
)

// The asymmetric fence. A signaller's fast path is
//
//	publish with a plain store;  load Event.mark
//
// and on amd64 the load may be executed before the store is visible. A full fence between the two
// would cost more than the whole operation, so the waiter pays for both:
//
//	Announce; look; sleep for about a millisecond; Barrier; look; sleep for long
//
// Barrier makes every thread of every registered process that runs at this moment execute a full
// fence. A publish whose load came before Announce is visible after Barrier, and the look finds it;
// a publish whose load comes later sees the mark.
//
// A process that publishes with plain stores must be registered first (Register, which takes some
// ten milliseconds in a program with threads and runs in the background). Until Registered says so
// it publishes with an exchange, which is a full fence. A waiter that cannot call membarrier asks
// for fences instead (Event.Demand); the millisecond of its first sleep outlasts any store that was
// on its way when the signaller had not seen the demand yet.

// Owing is whether a waiter must take part in the asymmetric fence: whether there can be processes on
// this machine that publish with plain stores. That this process does not is no answer, for it may be
// one of 32 bits, or built for the race detector, and its partner is not.
const Owing = runtime.GOARCH == "amd64" || runtime.GOARCH == "386" || word.Modelled

// Plain reports whether this process may publish to e's waiters with plain stores by now.
func Plain(e *Event) bool { return !Asymmetric || Registered() && !e.Fenced() }

// Ready reports whether Plain is a question of the event alone.
func Ready() bool { return !Asymmetric || Registered() }

// Register makes this process known to others' Barrier, in the background, once.
func Register() {
	if word.Modelled && word.Current() != nil {
		return // the model registers it when it likes
	}
	register()
}

// Registered reports whether this process may publish with plain stores to waiters that use
// Barrier. It never goes back to false.
func Registered() bool {
	if word.Modelled {
		if m := word.Current(); m != nil {
			return m.Registered()
		}
	}
	return registered()
}

// Barrier executes a full fence on every CPU that runs a thread of a registered process. It reports
// false where the system cannot do it; the caller then uses Event.Demand.
func Barrier() bool {
	if word.Modelled {
		if m := word.Current(); m != nil {
			return m.Barrier()
		}
	}
	return barrier()
}
