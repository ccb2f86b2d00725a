// Package futex is how Kindred waits: for a 32-bit word in memory that several processes map, in
// the kernel, with a deadline, and so that the wait can be cut short from within the process.
//
// It has four layers, one file each:
//
//   - Wait and Wake (futex.go and one file per system): compare a word and sleep; wake sleepers.
//   - Sleeper (sleeper.go): a place in the kernel that Poke empties. Poke moves the shared word and
//     wakes the sleepers of its own process (on Linux by their bit; elsewhere everybody), who look again
//     and go back to sleep.
//   - Event (event.go): the one event count under every structure: a sequence to sleep on, and a
//     mark that says whether anybody may be asleep, so that a signal to nobody is one load.
//   - Spinner (spin.go): how long to poll before going to sleep, learned from what paid off.
//
// Beside them stands the asymmetric fence (fence.go): a structure whose fast path is a plain store
// followed by "is anybody asleep?" owes a full fence between the two. With membarrier the one who
// goes to sleep pays for both.
//
// # Contract of a wait
//
// A wait may return for no reason. The caller loops: test the condition, sample the word, announce
// itself, test again, wait. A wake is no token: it says "look", and whoever looks may find that
// somebody else was faster. Words must not lie on a goroutine's stack.
//
// Memory is shared between processes, so nothing here uses the kernel's process-private futexes.
//
// # Platforms
//
// Linux: futex(2).
//
// macOS (12 and later): __ulock_wait2 and __ulock_wake of libSystem, or from 14.4 on the public
// os_sync_wait_on_address and its family, looked up when the program runs. There are no bits
// by which to wake some, and there is no membarrier. What these calls answer is mapped in ladder.go, which is tested on every
// system; the calls themselves are compile-checked only, until they were run on a Mac.
//
// Elsewhere Supported reports false, and a wait ends at once.
package futex
