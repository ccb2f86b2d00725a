// Package sync has locks that processes share, none of which a death can hold.
//
// # Basics
//
// A lock lies in a segment (package shm). Its handle is safe for use by many goroutines, and means
// the same whether goroutines of one process or of several meet at it.
//
//	mu, err := sync.NewMutex(seg, shm.Named("door"))
//	err = mu.Lock(ctx)
//	if err != nil && !errors.Is(err, shm.ErrOwnerDied) {
//		return err // it is not locked
//	}
//	defer mu.Unlock()
//	if err != nil { // who held it died: what it guards may be half changed
//		repair()
//		err = mu.MarkConsistent()
//	}
//
// The name is that of Go's package: a file that uses both gives one of them another.
//
// Mutex is a lock that one process at a time holds; RMutex may be locked again by who holds it; RWMutex has
// readers beside each other; Semaphore counts permits; Cond waits for a change of what a lock guards; Event is a flag to wait for; Once does
// something once for all processes; WaitGroup waits for work that processes do; Barrier lets parties go on
// when all have come.
//
// Each kind has a plain state (MutexState and so on) that may be part of a struct of the user's own in shared
// memory (shm.NewStruct); MutexAt and the like give the handle. States take 24 to 88 bytes.
//
// # Death
//
// When a process dies that holds a Mutex, the next one who wants it gets it, with ErrOwnerDied: what
// the lock guards may be half changed. That one repairs it and calls MarkConsistent; or it unlocks
// without, and from then on everybody gets ErrNotRecoverable. This is the contract of POSIX robust
// mutexes, which it keeps to the letter. Where deaths are pushed (Linux), the wait ends as soon as the system runs who waits,
// which on a machine that is not busy is within 10 ms of the kernel's proof of the death; elsewhere within 100 ms. A process
// that is stopped keeps its locks. An RMutex does the same. What a Once was doing when it died is begun again by the next.
//
// A signal of a Cond that a dead process did not take goes to somebody else who waits. Work of a WaitGroup
// that a dead process answered for counts as done, and Wait says so. A dead party breaks a Barrier, or
// leaves it, by option.
//
// Permits of a Semaphore belong to nobody: those that a dead process had are not given back, unless the
// Semaphore was made with Tracked.
//
// If a writer dies, an RWMutex behaves as a Mutex does; readers get it with ErrOwnerDied, too, until a writer has
// repaired what it guards. A reader that dies is taken off.
//
// Where it matters what each process has at stake (the readers of an RWMutex, a Cond, a WaitGroup, a Barrier, a
// Semaphore with Tracked), there is a row for each process, in blocks of the segment's heap that are made when
// they are needed: so the first call of a process may fail with shm.ErrNoSpace.
//
// # Waiting
//
// A call that can go on at once does not look at its context, allocates
// nothing, and makes no system call, but where it takes a bias away from others (see RWMutex and Semaphore). One that cannot returns the context's error if that is over, polls for up to 50 µs if the
// process has more than one CPU, and then sleeps; of all goroutines of a process that wait at one
// lock, one sleeps in the kernel. A cancelled call leaves no trace.
//
// Lock of a Mutex that is free executes one locked instruction, and Unlock none on amd64, once the process is
// registered for membarrier, which the first Mutex begins.
//
// Whoever comes to a Mutex while others sleep may be quicker. Nobody starves: one who has waited for a
// millisecond and sleeps gets it at the next Unlock.
//
// # The race detector
//
// It is told of what the locks order between goroutines of one process, in Go's heap. It sees nothing
// of what lies in a segment.
package sync
