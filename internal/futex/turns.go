package futex

import (
	"runtime"
	"sync/atomic"
	"time"
)

// turns are what one who polls gives to others who can run. Where two processes share two CPUs, and one of them polls on one while the other
// has work for both, the polling takes a seventh of all there is. A yield that nobody wants takes half a microsecond, and one that a peer
// wants gives him what he needs to make the condition true. But whoever computes, and has nothing to do with the wait, keeps the CPU for as
// long as the system lets him, some milliseconds, where one who sleeps is woken at once. So behind a long turn there is none for a
// multiple of what it took: more, if those before were long as well.
type turns struct {
	weight atomic.Int32 // of the long turns of late
	next   atomic.Int64 // when there is another turn, in nanoseconds from epoch
}

const (
	longTurn   = 1500 * time.Microsecond
	longWeight = 8  // what a long turn adds; any other takes 1 off
	mostWeight = 32 // how many times as long as a turn there is none, at most
	// mostTurn is as how long a turn counts at most: one in which the whole process was stopped says nothing of its peers.
	mostTurn = 20 * time.Millisecond
)

var epoch = time.Now()

// give lets others go first: goroutines of this process, and, if done is not true behind that, threads that want this CPU. It reports whether
// done is. Alone is for a process that runs one goroutine at a time: all others would stand still for a turn of somebody else's.
func (t *turns) give(done func() bool, alone bool) bool {
	runtime.Gosched()
	if done() {
		return true
	}
	if begin := time.Since(epoch); !alone && t.due(begin) && yield() {
		t.learn(begin, time.Since(epoch))
	}
	return false
}

func (t *turns) due(now time.Duration) bool { return int64(now) >= t.next.Load() }

// learn takes note of a turn.
func (t *turns) learn(begin, end time.Duration) {
	weight := t.weight.Load()
	took := min(end-begin, mostTurn)
	switch {
	case took > longTurn:
		weight = min(weight+longWeight, mostWeight)
		t.next.Store(int64(end + time.Duration(weight)*took))
	case weight == 0:
		return
	default:
		weight--
	}
	t.weight.Store(weight)
}
