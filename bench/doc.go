// The program bench measures Kindred, each row beside a reference that is measured in the same run:
//
//	go run ./bench                     # from the repository's root; everything, as a table
//	go run ./bench -list               # the rows and what they are
//	go run ./bench -only 'ring/spsc'   # the rows whose name matches
//	go run ./bench -json               # one JSON object a line
//	go run ./bench -quick              # a look, not a figure, of two minutes at most
//	go run ./bench -save FILE          # keep the runs; -from FILE shows them again
//	go run ./bench -check              # fail where a goal is missed
//	go run ./bench -compare FILE       # what has changed since these were saved
//	go run ./bench -report DIR         # an HTML page with plots, of which where we lose comes first
//	go run ./bench -publish .          # the README's table, docs/plots and docs/figures.json
//
// # What a figure is
//
// A figure is the time of one operation in nanoseconds: a round trip, an item, a lock with its unlock, a call; where it
// is something else, its unit says so. Some rows measure several figures at once, percentiles for example, of which
// each is a line of its own. A row is measured several times (-runs), reference and ours in turn, so that whatever
// changes on the machine meets both; a row whose runs are short five times as often, for what changes within a second. Shown are the median, the smallest and the largest of the runs. The ratio is the
// median of the runs' ratios, each of ours to that of the reference beside it: below 1, ours is better. (Where the machine was in another
// state for some runs, it is not that of the two medians, which may be of different states.) A goal is a ratio that is to be
// reached, and "met" says whether it was in this run; where the goal is no ratio, the reference is a fixed limit, whose
// name says so, and the goal is 1. It is null where there is no goal, or nothing to hold against it. A row whose runs
// lie far apart is called unsteady on standard error: then the machine was busy, and the row is worth a second look.
//
// In each run each side is a fresh process that starts its peer as a process of its own: where a row has two sides,
// they share nothing but what is measured. Both get the same number of operations, the same number of them unmeasured
// before (warm-up), the same CPUs, the same capacity and the same work per item; the table shows these conditions for
// each row. Figures of other conditions are other figures: one and the same ring takes 1 ns or 30 ns an item by its
// capacity and by the producer's pace alone.
//
// Latencies are kept in a histogram that is right to 1.6 %. Below the figures stands what an operation costs the machine,
// on both sides together: CPU time and switches of context. What the processes cost to start is in that, spread over all
// operations, and weighs where these are few. And the most memory that the measuring process had resident at once, ours and
// the reference's: with its runtime, if it has one, and the pages that it touched of what is shared, but without its peers.
//
// -check compares ratios, not times, and fails where one is worse than its goal by more than the noise of its runs: the
// median distance of the runs' ratios from their median, but never more than 15 %.
//
// -compare shows, by the statistics of benchstat, what has changed since a saved session: median and confidence interval
// before and after, the change, and p of the Mann-Whitney U test, once for our figure and once for its ratio. A change
// that the runs do not prove is shown as ~. Fewer than four runs on each side prove nothing.
//
// -quick gives each row its share of two minutes, or of what -within says: a tenth of the operations, three runs, or fewer
// where these do not fit. What was cut is said at the end. Rows that only show how a figure grows are left out.
//
// # What is checked
//
// Every word that travels is written by the sender and compared by the receiver, in the measured time, on both sides
// (what a lock guards, side A alone; a pool's worker sends back the complement of what it got). The words are a counter
// that starts at another random number in every run. A word that is not the expected one ends the run, and the program
// exits with status 1. So does a side that fails or takes longer than a minute. The tests inject a wrong word into
// every row and every reference, and require the failure.
//
// # Placement
//
// The measured threads are pinned, ours and the references' alike: side A to the first CPU that this process may use,
// side B to another core of the same package where there is one. The other threads of a Go process (the collector's,
// the monitor's) stay free, as in a user's program, and compete where there are but two CPUs. On a virtual machine two
// CPUs may be siblings of one core, or of two, without saying so, and change from one to the other: that is 100 or 500
// ns for a round trip. A row that needs two CPUs is not measured on one. Where both sides share a CPU, the processes
// are confined to it as a whole, so that the library knows. A pool places its worker by itself.
//
// # References
//
// The references are the small programs below reference/: in C (cc -O2) and C++ (c++ -O2, some with the headers of
// Boost) and Go, compiled at run time, and in Python (python3). Where a compiler, an interpreter or a library is missing or
// fails, a row runs without its reference, and the output says "absent" and why. Nothing is taken from an earlier run
// or another machine.
//
// A program is one file; its extension says the language. It gets its job as arguments of the form key=value (n, warm,
// capacity, steps, workers, salt, peersalt, a and b, as in [Job], and kind, which says what it is to measure if it has several
// things), and prints one number, the nanoseconds of one operation, or for a row of several figures a line for each:
// its name and its number; then "resident" and the most bytes of memory that it had at once. A check that fails says "wrong payload" on standard error and exits with a status that is
// not zero. reference/common.h has what C and C++ need for that. A test wants a job for every program in its list, runs
// it, sees its check fail, and compiles it without a warning.
//
// What a Go program would use instead is measured by Go: a channel, sync.Mutex, net/rpc and net.Conns over Unix sockets, OS
// pipes; and gRPC over a Unix socket, whose server is a child process, as hashicorp's go-plugin has it. That one is a program
// below reference/, because it would take 9 ms of each start of this one, of which each side of each row is a child. It is
// built when its first row is measured, in the repository; the first time on a machine that takes 15 s, of two CPUs.
//
// # Latencies under load
//
// The rows that end in load and idle send at a fixed rate, and count from when an operation was to begin, not from when it
// did: a receiver that makes the sender wait is late for all that should have been sent meanwhile. The rows of percentiles of
// round trips are of the saturated case, and say nothing of that.
//
// # What the harness costs
//
// The clock is read twice a run, but for rows of percentiles, which read it once for each operation: the row
// harness/clock is what that costs. The checks cost an addition and a predicted comparison a word, in C as in Go. A
// stream ends when the consumer has told the producer that it has checked the last item: one more trip, divided by
// millions of items. The work of a paced producer is a chain of multiplications, carried on from item to item, whose number
// is calibrated in C and then the same for both; the row harness/work is what it costs alone.
package main
