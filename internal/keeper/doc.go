// Package keeper keeps descriptors that are on their way: open files, and segments that the receiver is not attached to, which are
// in a message of a queue or a pipe, or in the arguments of a child.
//
// A message is bytes in a segment, and a descriptor is not. So one process keeps it until the message was read, or is gone: the
// keeper, which is the eldest of the family, the process that nobody started by package proc. All others die with it. Each process of
// the family has a connection to it, a pair of sockets that it asks its parent for when it first needs one, over its control
// socket; the parent hands the other end to the keeper. So no process in between has a part in what follows.
//
//	descriptor     to        who
//	(nowhere)      kept      the sender: keep, behind the message was written to a block, before it is committed; or hold, for arguments
//	kept           kept      the receiver, with a duplicate: take, before it frees the block
//	kept           closed    the keeper, when it has seen that the block is free; or has released, or lost, those who held it
//	any            closed    the end of the keeper, which ends all
//
// What a descriptor is kept for is called its anchors: blocks of a segment, named by place and generation, so that one which was freed, by
// whomever, and for whatever reason, is not there any more: because the message was read, was dropped, was never committed by one who died, or because
// the queue was destroyed. The keeper looks at them by itself, from the segment's file (segment.Ledger): soon after a
// descriptor was taken, and else ever more seldom, up to once a second, as long as it keeps anything. A segment that
// nobody is attached to, and that has no name, has no messages any more.
//
// Whoever dies, dies at some step. The sender before keep: nothing is kept. Behind it, and before the commit: his death frees
// the block. Behind that: the message is there. The receiver, before he took the descriptor, or behind it: his death frees the block, or, with a
// lease, the message comes again, and its block was there all the time. The keeper: all of the family die with it; one that lives on for a
// while (proc.Outlive) gets an error. One who is stopped keeps others from nothing but what only he can do: a call that asks the keeper, when
// it is stopped, ends with its context, or after ten seconds, and its error names who is stopped: the keeper, or one in between, if there is no
// connection yet, which is made by way of him.
//
// # Out of the family
//
// Processes that have no ancestor in common may share a named segment. The receiver takes the descriptor out of the keeper's
// process then, by pidfd_getfd(2), if the system lets it, which takes the right to trace the other (ptrace(2)): the same
// user, and no restriction as Yama has it, or CAP_SYS_PTRACE. Where it does not, and on macOS, which has no such call, that is an
// error, which says so.
package keeper
