// Package liveness proves that a process is dead.
//
// There are two proofs, and both come after the last store of the last thread of the process:
//
//   - A byte-range lock that the process holds on an open file description of its own is free
//     (Held reports false). The kernel releases it when the last thread has exited.
//   - The process's pidfd is readable (Watch), if it was opened while the lock was still held:
//     until then the number could not have gone to another process.
//
// The absence of a signal, a number that kill(2) does not know, and the passing of time prove
// nothing: a stopped process is alive, and numbers are used again.
//
// An exec closes the descriptor and so frees the lock, while the pidfd stays silent; a child
// between fork and exec shares the open file description and keeps the lock held. So a free lock
// proves death, and so does a readable pidfd, and neither is refuted by the other.
//
// # Platforms
//
// Linux: OFD locks and pidfds; a file is opened again through /proc/self/fd.
//
// macOS: the same locks, by the numbers that the kernel gives them. NOTE_EXIT of a kqueue stands for
// the pidfd, at the price of a thread per watch. A file that has lost its name cannot be opened
// again there, so its users lock a lock file instead (OpenLockFile). The locks' code and the lock
// file's are tested on Linux; that the macOS kernel keeps its side is not: those files are
// compile-checked only, until they were run on a Mac.
//
// Elsewhere everything returns ErrUnsupported.
package liveness

import "errors"

// ErrUnsupported says that this system cannot push a death, or does not let this process hear of one, or cannot lock bytes.
var ErrUnsupported = errors.New("liveness: not supported on this platform")
