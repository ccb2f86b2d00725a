// Package crashlab kills processes between any two instructions of an operation, and holds what the
// others then do against what was promised them.
//
// # A trial
//
// Two survivors, which are other processes, set a segment up and attach to it. A victim, a process
// of its own, makes ready and stops at a mark. The lab attaches to the victim's thread (ptrace) and
// executes the operation instruction by instruction; all other threads of the victim stand still. After
// every step it compares the segment with what it was. At the step that the trial is about it sends
// SIGKILL. Then the survivors go on: their operations must succeed, what the victim had committed
// must be there once, what it had not must be nowhere, and the time from the kernel's proof of the
// death until they are through is taken.
//
// # Which steps
//
// Two deaths between which neither the shared memory changed nor a system call was made leave the
// same world behind. So a first run, in which nobody dies, finds the steps behind which the segment
// differs from before, and those that are system calls; the trials kill before and behind each of
// them, and asleep in those that sleep. That is every distinct state. With Every, each instruction
// gets its trial.
//
// The count of steps repeats from run to run, because the victim runs on one CPU, with GOMAXPROCS=1,
// GOGC=off and asyncpreemptoff=1, on one locked thread. Where it does not (a call of the clock, a
// sleep that ends by itself), a trial counts where it was, and is reported as drifted.
//
// # Cases
//
// A Case is one operation: how to set up, what the victim does, what survivors do, what must hold.
// The package of each structure has its cases beside it, in a package crashcases, and a test there
// that fails for an exported operation without a case (Covered).
//
// The lab runs on Linux on amd64. Elsewhere its commands say so.
package crashlab
