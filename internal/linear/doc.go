// Package linear is for tests that hold a structure against a sequential model, while processes that
// use it are killed.
//
// # What a test brings
//
// A Function: what one client (a goroutine of one of several processes) does with the structure. It
// says before each operation what it is going to do, and behind it what came of it:
//
//	c.Invoke(push, v)
//	c.Return(codeOf(w.Push(ctx, v)))
//
// A Model: the state of the structure, a comparable value, and what each operation does to it when
// nobody else is there. A Subject ties the two; its Verify runs trials until enough of them counted,
// and fails with the shortest part of a history that no order of the operations explains. Refute is
// for losing controls: structures broken on purpose, which must be found out.
//
// # What a trial is
//
// Processes start, meet, and operate on an object of a fresh segment, all at rest between bursts that
// begin together. Some are killed with SIGKILL, by the parent or (Linux) by a timer that the victim has
// armed, so that the kill falls into the middle of what it does; the others go on, and the parent looks
// at what is left. Each process notes its operations in a mapped file of its own, which survives it.
// Times are those of CLOCK_MONOTONIC, the same in all processes. A trial counts if an operation was cut
// off by a kill, and operations that returned overlapped with others of another process.
//
// # What is demanded
//
// Each operation takes effect at one moment between its call and its return. One that was cut off
// took effect at one moment before its process was reaped, or never does. That is more than
// linearizability asks for, which would allow it any moment thereafter: it is strict linearizability
// (Aguilera and Frølund, 2003), and what docs/CRASH.md promises: after the proof of death, what was
// committed is there, and what was not is nowhere. The death is itself an operation, behind all others
// of its process.
//
// The call's time is taken before the operation's first load, and the return's when its last store is
// visible: the recorder fences on both sides. A push that publishes with a plain store may return
// some nanoseconds before others can see the value; they cannot tell but by a clock.
//
// # Longer runs
//
//	KINDRED_LINEAR=10m go test -timeout 0 -run Linear -v ./sync ./ring ./state ./queue
//
// goes on for so long with each subject, instead of for a few histories. KINDRED_LINEAR_SEED repeats
// the choices of a run (those of operations and victims; not the scheduler's).
package linear
