// Package interleave runs the production code of several processes in one, and tries every order in
// which their steps can follow each other, with deaths in between. It exists in a build with the tag
// interleave only:
//
//	go test -tags interleave ./internal/interleave/...
//
// # What runs
//
// A Scenario sets up a segment and a few processes, each a function that uses the exported API
// through an attach of its own. The code that runs is that of the packages themselves; what package
// word stands for is modelled here:
//
//   - Shared words. Before each access the scheduler may go on with another process, kill one, or
//     let the kernel do something. With Fine, it may after each access as well: then what stands
//     between two accesses, such as the copy of a payload, is a step of its own.
//   - Store buffers, where the code publishes with plain stores (futex.Publish) and Buffers is set:
//     each process sees its own stores at once, and the others see them in their order, at any later
//     moment, at the latest when it executes a locked instruction, enters the kernel, dies, or when
//     anybody calls membarrier and it is registered. Loads are not reordered: that is TSO. Plain
//     stores of payload are visible at once; what relies on their order behind a publish must be
//     wrong with Fine.
//   - The futex: a compare and a sleep in one step, wakes in the order of the sleeps. A sleep that
//     ends of itself (the millisecond before a barrier) may end at any moment; one with the safety
//     net ends of itself as the scenario says (Net), so that with NoNet a lost wake-up is a deadlock.
//   - Byte locks and pidfds. A death frees the process's locks at once, and makes its pidfds readable
//     at any later moment; who watches one has a thread of its own that acts on it.
//
// Orders are sequentially consistent but for the buffers, which is right for words that are touched
// by sync/atomic alone. A process has one thread, and one more for each death that it is told of. Time
// does not exist; a poll is one look.
//
// # The search
//
// A run is repeated from its beginning for each new order, along a list of choices. A state is the
// segment's bytes, the store buffers, the locks, watches and sleepers, and for each thread a hash of
// all that it was told: by accesses, by the kernel, and by the scenario (Process.Saw). Code is
// deterministic, so two threads of one history stand at one place with the same variables; the rest
// of a run that comes to a state where another one has been is not run again. A dead thread has no
// history. What is left is finite, because each process has a few operations and deaths, and budgets
// for what the kernel may do of itself are part of the state.
//
// That is exact as long as a thread learns of shared memory through words: what it reads plainly must
// be what a word that it read says it is (a payload behind its sequence, a block below the heap's
// end), or be said to Saw before the next operation.
//
// Search visits all states, and says so: Result.Complete. A search that was cut short is not called
// exhaustive by anybody. One that was not is held against runs at random: a state that they come to and
// that it has not visited fails it. Sample takes runs at random, for what is too large; each is repeated by its
// seed. A failure prints the steps that led to it, and how to repeat them.
//
// # Losing controls
//
// A search that cannot fail proves nothing. Scenarios have losing controls, which must fail: the same
// with membarrier doing nothing, with a wake lost, or with a proof of death that is none (Lose). So must the
// library with a line changed (mutations_test.go).
package interleave
