// Package pool hands Go functions to worker processes, with the latency of a function call, and
// loses one task, not the service, when a worker dies.
//
// # Basics
//
//	var Resize = pool.Task("resize", func(ctx context.Context, in Image) (Image, error) { ... })
//
//	func main() {
//		proc.Main() // workers are this program, started again
//		p, err := pool.New(ctx)
//		defer p.Shutdown(ctx)
//		small, err := Resize.Call(ctx, p, big)
//		for out, err := range Resize.Map(ctx, p, images) { ... }
//	}
//
// Inputs and results are values of any type that can be encoded: numbers, strings, structs, slices,
// maps; not channels or functions (how each of them travels: package queue, Messages). They may be larger than memory segments; they are handed over in
// parts then. What is in a segment need not travel: give the workers the segment, by Process(proc.Share(seg)), and tasks the handles of
// objects in it (a *state.Array[T], a *queue.Queue[T]), or their Refs (see proc.Segment).
//
// # Futures
//
// Go makes a call that nobody waits for yet:
//
//	f := Resize.Go(ctx, p, big)
//	f.OnDone(func(small Image, err error) { ... }) // in this process, one callback after the other
//	small, err := f.Wait(ctx)
//
// It needs no goroutine while no worker has it. AsCompleted, WaitAll, WaitFirst and WaitSucceeded wait for
// many. Broadcast runs a task once on each worker.
//
// With the option [Local] the workers are goroutines, and everything else is the same, but for what is said there.
//
// # Many at a time
//
// Map and MapUnordered take inputs from an iterator, and yield results as one; MapSlice takes a slice, and returns one. All three hand inputs to the
// workers several at a time, when their tasks are quick, and one by one, when
// they take longer than 0.4 ms: [Chunk] sets how many. Each input is a call by itself in all else: what an error, a panic or a death
// concerns is that input alone.
//
//	a call of a Map   what moves it on                              to
//	taken             a driver has it sent, with others             at a worker
//	at a worker       the worker claims it                          begun
//	at a worker       the worker dies, or is at something slow      taken
//	begun             its result is in the outbox, or a reply       done
//	begun             the worker dies                               failed, or taken, by Retry
//	any but done      the context ends, or the loop                 given up
//
// # Calls within calls
//
// Current gives a task the pool in which it runs. The parent makes its calls with other workers, of which
// there are more for as long as some wait.
//
// # The end
//
// Close stops the intake, and returns; what was called before is done, and then the workers end. Join
// waits for that. Shutdown is both; Terminate kills. Each may be called from anywhere, also from a
// callback, any number of times.
//
// # Workers
//
// Each worker is a process that runs one task at a time. It shares a segment with the parent alone:
// a mailbox and a ring for requests, others for replies, and a word that says which task it has claimed. No lock is
// shared with it, so it can hold up nobody, and it cannot scribble on its neighbours. The caller's
// goroutine writes the request itself and polls for the reply itself. A call whose input and result take less than a
// kilobyte each, encoded, goes by the mailboxes: the same cache lines each time.
//
// [Initializer] has each worker do something before its first task, [Finalizer] as the last thing. A worker is replaced
// when it dies, and by choice when it has run so many tasks ([TasksPerWorker]) or has too much memory ([MemoryLimit]). Their number is
// fixed ([Workers], [Pool.Resize]) or follows the demand ([Elastic]); [Spares] wait to take a place at once. [Pool.Stats] says what they did; [OnEvent] and
// [Log] tell of what happens to them.
//
// # Errors
//
// The error of a task has its text on the caller's side, and errors.Is and errors.As find in it what is registered ([RegisterError],
// [RegisterErrorType]), however it is wrapped or joined. What cannot be encoded or decoded, on either side, is the error of that
// task. A task whose worker died has a [*WorkerDied], which says how: the status, the last lines of the worker's standard error, and
// whether the kernel's out-of-memory killer did it.
//
// What else a death does is for the options to say: nothing (the default), the task is begun again ([Retry]), or the pool is broken
// ([BreakOnDeath], [RestartLimit]).
//
// # Interrupts
//
// Workers are in process groups of their own: Ctrl-C at the terminal interrupts the parent alone, which decides. A program that
// gives its calls the context of signal.NotifyContext, and calls its stop when that is over, ends in order upon the first
// interrupt, and at once upon the second, with its workers:
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//	context.AfterFunc(ctx, stop)
//
// # What is promised
//
//   - A worker may die between any two instructions. A reply that it had committed counts. The task
//     that it had claimed is done again by another worker as often as Retry allows, or fails with
//     *WorkerDied; a task that it had not claimed yet goes to another worker in any case. Nothing
//     else is concerned, and the worker is replaced.
//   - With Retry a task may run more than once, but one result of it is accepted.
//   - A panic in a task is an error of that task (*PanicError, with the stack of the worker), and the
//     worker lives on.
//   - The context of a call reaches the task as its context. When it ends, the call returns; a task
//     that does not follow within the grace period loses its worker.
//   - What a worker writes is checked. One that breaks the protocol is killed and replaced, and cannot
//     make its parent take more memory than MaxMessage allows.
//   - A worker that is stopped is not dead: it is left alone until a call that it has is given up, or
//     the pool closed, and the grace period has passed.
//   - Deadly tasks never break the pool, however many there are. It breaks (ErrBroken) when, for every
//     worker, six processes in a row cannot be started (their initializer may fail as well) or die within a second without having
//     begun a task; or if an option says so.
//   - As long as others live, a worker that comes to nothing like that is given up alone (WorkerGivenUp), and tried again by itself, with one
//     process about every 10 s, or at once by Resize: it is back soon after its cause is gone.
//   - Each start of a worker that fails has its event (WorkerFailed), and is counted in Stats.
//   - Workers die with their parent.
//
// # Caveats
//
// What workers write to their standard error goes through the parent, which keeps the last of it, also if it goes to
// a file (see proc.KeepStderr). A process that a task starts and that has the worker's standard error delays nothing that is told of
// the worker's death; but Join waits for what it writes, for a second after that at most.
//
// A task's context is over when the task has returned, and a goroutine that outlives its task must not go on with it: one that asks it for the first
// time 1,024 calls later may see the state of another call of that worker.
//
// A task that writes to the outside world before its worker dies has written; Retry is for tasks
// that may run twice.
package pool
