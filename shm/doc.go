// Package shm gives processes memory in common: segments, in which every other object of Kindred
// lives.
//
// # Basics
//
// A segment is one mapped file. Anonymous makes one without a name, which children inherit and
// which goes away with the last process that has it; Create makes one with a name, which any process
// of the same user can Open, and which stays until Unlink. Objects (locks, rings, ...) are made in a
// segment by their packages, found again by name, or reached by a Ref, 16 bytes that travel through
// rings, queues and arguments.
//
//	seg, err := shm.Anonymous(1 << 20)
//	mu, err := sync.NewMutex(seg, shm.Named("door"))
//
// The heap of a segment gives memory to them, and to whoever calls Alloc: a Block is its allocator's, and
// comes back when that dies, until it is handed over by Settle.
//
// CreateRaw and OpenRaw are for memory that is shared with programs in other languages: it has a name and bytes, and
// nothing of the above.
//
// # Participants
//
// Each attach, by whatever process, is a participant: it holds a slot in the segment's table, and
// with it a lock that the kernel frees when the process is gone. That is the proof of death on which
// all recovery rests. A process that is stopped, or slow, or in a debugger, is not dead, however long
// it takes, and nothing is taken from it.
//
// # What is promised
//
//   - A participant may be killed between any two instructions. What it held is taken back by
//     whoever needs it next: where the kernel pushes deaths (pidfd; for up to 128 participants of the same PID namespace), as soon as the
//     system runs who waits, which on a machine that is not busy is within 10 ms of the proof; else within 100 ms.
//   - Nobody sees a half-made segment. A creator that dies half-way leaves nothing.
//   - No memory is an error of the call that needed it, ErrNoSpace, and no SIGBUS later: pages are
//     backed before they are used, and an anonymous segment is sealed against shrinking. Who may
//     write to a named segment's file may truncate it, and SIGBUS is what the others get then.
//   - Nobody gets in by default: files have mode 0600, files of other users are refused, symbolic
//     links are not followed.
//
// # Caveats
//
// Close cuts this process loose: handles into the segment then return ErrClosed, and views ([]byte)
// read zeros. It is meant to be called; a segment that was forgotten is unmapped when the last
// handle was collected.
//
// Offsets are the same in all processes, addresses are not: no pointer belongs into a segment.
//
// # Platforms
//
// Linux on amd64, arm64 and 386. On amd64 all tests are run for each change, on 386 where the kernel executes 32-bit programs; arm64 is
// compile-checked. Kernel 5.3 or later tells of deaths at once (pidfd); membarrier (4.14) saves locked instructions. Without either, or
// where a filter forbids them, all works, more slowly. In containers /dev/shm is often small (64 MiB): what does not fit there is ErrNoSpace.
//
// macOS on arm64 and amd64, where the following differs. Named segments lie in /tmp/kindred-UID, a
// directory of the user's own. Anonymous segments are files there that have lost their name at once:
// they are not sealed, so who has the descriptor can truncate them; they stay with one user; and
// beside each lies an empty lock file, which the last to Close removes, and which stays if the last
// was killed. A segment that was unlinked cannot be inherited any more while processes are attached
// that opened it by its name. The code for macOS is compile-checked only, until it was run on a Mac.
//
// On other systems whatever makes or opens a segment returns ErrUnsupported. Linux on other processors is not looked at; those that
// store the high byte first refuse plain types.
package shm
