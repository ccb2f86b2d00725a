// Package demo is the main job of the tool: worker processes count every Go file of a tree, some of them are killed
// on the way, and the result is complete and right.
//
// The demo reads the tree once, fans its files out to a pool of worker processes as tasks through shared memory,
// and does the same work again with as many goroutines of its own process. It compares the two results completely,
// and reports them with their times, and with what became of each worker that it killed. It ends with status 1 if
// the two results differ in any count, or if a worker that was to be killed could not be.
//
//	readTree      finds the files and reads each of them once        tree.go
//	tally.count   reads and parses one file                          count.go
//	fanOut        counts with worker processes                       fanout.go, pool.go
//	killer        stops a worker, sees it hold a task, kills it      kill.go
//	diary         what the pool told about its workers               diary.go
//	countLocally  counts with goroutines                             local.go
//	differences   compares the two                                   tally.go
//	report        prints them                                        report.go
package demo
