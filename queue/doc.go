// Package queue carries messages of any type between processes.
//
// # Basics
//
// A Queue lies in a segment (package shm), and has any number of producers and consumers, in any processes:
//
//	q, err := queue.New[Job](seg, 1024, shm.Named("jobs"))
//	err = q.Put(ctx, Job{...})              // in any process
//
//	q, err := queue.Open[Job](seg, "jobs")
//	for job, err := range q.All(ctx) {      // in any other
//		...
//	}
//
// A message may be of any type that can be encoded (see Messages), and as long as there is room for in the segment.
//
// A queue is bounded by a number of messages, and by bytes if it was made so (MaxBytes). A Put to a full queue waits, or fails
// (FailWhenFull), or drops the oldest message (DropOldest). A long message takes memory of the segment until it is got; when the
// segment has none left, Put fails with shm.ErrNoSpace, and does not wait: set MaxBytes for queues of long messages. Shutdown ends the queue for all: it is drained, and then
// ErrShutDown.
//
// In a queue that was made Joinable, who got a message says when it is done, and Join waits until all are.
//
// In a queue that was made with Leases, each message is delivered at least once: who gets one has a lease, until it says Ack or Nack, or
// dies. After a Nack, or a death, the message is handed out again. What comes back too often goes to a queue for the dead (DeadTo).
//
//	l, err := q.Lease(ctx)
//	if work(l.Message) != nil {
//		err = l.Nack()
//	} else {
//		err = l.Ack()
//	}
//
// # Messages
//
// How values travel is decided by their type, for queues, pipes, arguments and results of processes and pools, and for the
// objects of package state. Plain memory (fixed size, no pointers) is copied as it lies there, unexported fields too; a string and a []byte are copied
// (an empty []byte arrives as nil). Any other value is encoded, as CBOR. Then there arrive:
//
//   - exported fields, by the rules of encoding/json: names, omitempty and "-" from the tag cbor, or else json. Unexported ones stay behind, if there
//     are exported ones beside them;
//   - nil and empty slices and maps as what they were; a pointer as a pointer to a copy; a pointer to a nil value as nil;
//   - types with encoding.BinaryMarshaler and BinaryUnmarshaler, by these, if they are not plain memory as a whole message;
//   - a time.Time with its nanoseconds and its offset, but without the name of its zone;
//   - what an any holds, with the type that it had, which is registered if it is one of the program's own, or a handle whose type has parameters, as
//     Queue[int] (shm.Register).
//
// New refuses, and names by its path, whatever could never arrive:
//
//   - channels, functions, and interfaces with methods;
//   - structs with nothing but unexported fields;
//   - fields that another of the same name hides;
//   - fields beside an embedded type with a MarshalBinary, as N in struct{ time.Time; N int }: the method is promoted, and encodes the time alone;
//   - types with a MarshalBinary and no UnmarshalBinary, or the other way round.
//
// Put refuses the same of what an any holds, types that are not registered, what contains itself, and a time beyond the year 9999.
// Through has messages go through a codec of one's own.
//
// Handles of all objects of this module may be in a message, as pointers, and arrive as handles that work: of the same attach, if the object is
// in the segment of the queue, and else of another one of the process.
//
// An open file, or a socket, may be in a message, too, as a *shm.File: it arrives with a descriptor of the receiver. Whoever put it need not
// be there any more, nor have it open. Likewise a handle of an object in a segment that the receiver is not attached to: it gets to be.
//
// A message is copied in, and out. What is large need not be: it may stay in the segment, as a state.Array, of which the message is the Ref,
// in a Queue or a Pipe of shm.Refs. Who has received it finds the Array once (state.ArrayFrom) and its elements in place (Slice), and sends
// the Ref back when he is through with them.
//
// # Pipes
//
// A Pipe has two ends, each of which sends to the other, and receives from it:
//
//	here, there, err := queue.NewPipe[Question, Answer](seg, 16)
//	child, err := work.Start(ctx, there)    // of a function of the other process: func(ctx, there *queue.Pipe[Answer, Question]) error
//	err = there.Close()                     // the child has a handle of its own
//
//	q, err := there.Recv(ctx)               // in the child
//	err = there.Send(ctx, Answer{...})
//
// An end travels as the Pipe that it is: in the arguments of a child, in messages of queues and pipes of its segment (ErrElsewhere). Whoever receives it has a handle of his own, and
// on its way it is held: who sent it may close his, exit, or die. What such a message had is given up if nobody gets it.
//
// When all handles of an end are closed, or collected, or their processes dead, the other end receives what is there, and then io.EOF; and
// the pipe's memory is free when that is so of both ends.
//
// # Connections
//
// Listen and Dial give a net.Listener and net.Conns, under a name in a segment, to whatever package works with these (net/http,
// net/rpc): streams of bytes, with deadlines and ends that are closed singly.
//
//	l, err := queue.Listen(seg, "bank")             // in one process
//	err = http.Serve(l, handler)
//
//	c, err := queue.Dial(ctx, seg, "bank")          // in any other
//
// # Selecting
//
// Select waits for the first of many: queues, pipes, listeners, events (package sync), and the ends of processes:
//
//	i, err := queue.Select(ctx, q, pipe, event, queue.Closed(child.Done()))
//
// # Guarantees
//
// A message is in the segment when Put returns, and one consumer gets it. What one goroutine puts is got in its order. Len,
// Full and Empty say what was the case at one moment of the call.
//
// Any process may be killed at any instruction. What it had put is there, once, and a put in which it was killed has happened, or has not;
// a message that it had taken is gone with it, and in a queue that is Joinable counted, and reported by Join, once. What
// its messages had of the heap is free again, at the latest when their slots are used. Others are not told, and wait for nothing
// but the proof of the death.
//
// A process that is stopped is not dead. In the middle of a put, it keeps others from putting; of a get, from getting.
// That is some ten nanoseconds of the call.
//
// Handles are safe for use by many goroutines. Messages that Get returns belong to the caller: nothing in them lies in the segment.
//
// # The race detector
//
// It is told that a put comes before the get of what was put, and Done before the Join that waited for it, for what goroutines of one
// process do in Go's heap. It sees nothing of what lies in a segment.
package queue
