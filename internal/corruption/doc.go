// Package corruption is for tests: it plays the hostile peer. Each byte of a segment is overwritten,
// one after the other and in groups, while processes operate on the segment, and what they answer is
// held against what the field that the byte belongs to may do to them.
//
// A [Scene] is a script that a process follows. The segment that it meets is the same each time: one
// process made it and was killed, one holds locks and ends of rings and lives, and the third, the
// operator, follows the script: once for each trial, on the bytes as they were at first, with a
// change made at one of the script's moments. It writes down, for each operation, the class of its
// answer, and compares that with the answers of a run without a change.
//
// The scenes are in packages below this one, and with what they are about where it has to be at hand: in pool and inspect.
//
// The [Rule] of a field says which differences it excuses. Fields and their names are those of
// docs/LAYOUT.md, so a field that is documented and has no rule is an error.
//
//   - A panic, a fault or a fatal error ends the operator, and the parent reports it, with the change
//     and the operation that were under way. So does the parent with an operator that hangs.
//   - Accesses outside of the segment are faults: address space that nothing may touch lies on both
//     sides of each of the operator's mappings of the segment, before and behind (see guard).
//   - Stores to what is not the operation's own, inside of the segment, are found by comparing all bytes
//     after each trial with what they were before it.
//
// What is reported names the command that repeats it. Environment variable KINDRED_CORRUPTION:
//
//	(not set)   a sample, in a second or so for each scene
//	xN          N times the sample
//	xN/SEED     likewise, with other random bytes and groups
//	all         every byte, with every pattern, at every moment, and as many groups as fit
//	all/SEED    likewise, with other random bytes and groups
//	SEED/TRIAL  that trial alone
package corruption
