// Package segment is the engine under every package of Kindred: the file and its mapping, the table
// of participants and the proof of their death, the heap, the names, the one lock and the one way to
// wait. Package shm is its public face; the objects' packages build on it directly.
//
// Its ideas, each in files of its own:
//
//   - A segment is complete before it has a name, and is checked before it is mapped (create.go,
//     open.go). layout.go has the bytes.
//   - A participant is a slot of the table, and the lock on a byte that the kernel frees when the
//     process is gone (segment.go). Its Owner word is never used twice (owner.go).
//   - There is one recovery path: whoever notices a death takes the dead one's byte and sweeps; a
//     Close, an exit and a kill are the same to it (sweep.go).
//   - A Lock is an Owner in a word, taken over from the dead by whoever wants it next (lock.go). It
//     guards the names (names.go), in which every change is committed by one store.
//   - The heap is runs, cut into blocks (heap.go; docs/HEAP.md says why). A block has an owner in its control
//     word, until it is handed over; a sweep gives back what the dead owned. Block is what structures
//     allocate their parts with, and link them without a gap (block.go); an object is a block with a header
//     (make.go, object.go).
//   - Whoever cannot go on waits at a Point: polls, queues up in Go behind others of its process, and
//     sleeps in the kernel alone; deaths that matter to it are pushed (wait.go). Short sleeps set no
//     timer (wait_brief.go). A few waits of an attach sleep with a thread each, all others with one
//     (hub.go).
//
// Whatever is read from the segment is read once, checked, and then used: the others may be broken.
package segment
