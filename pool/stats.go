package pool

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"time"
)

// Stats is what a pool has done, and what it does at one moment.
type Stats struct {
	Size         int    // workers that there may be
	Ready        int    // workers that there are
	Idle         int    // of those
	Spare        int    // processes that wait to be workers
	Queued       int    // calls that wait for a worker
	Running      int    // calls that have one, those included that their callers gave up and that have not come back
	Done         uint64 // calls that returned a result
	Failed       uint64 // calls that returned an error of the task's
	Cancelled    uint64 // calls that were given up when a worker had them
	Lost         uint64 // calls whose worker died, once for each time
	Restarts     uint64 // workers that took the place of one that died, or was given up
	FailedStarts uint64 // of workers, after New: see WorkerFailed
	Latency      Latency
	Workers      []WorkerStats // by their IDs, those included that are not there now; at the end, with the ID 4,096, all that made up for blocked ones
}

// WorkerStats is what one worker of a pool has done, its predecessors included.
type WorkerStats struct {
	ID           int
	Pid          int // 0 if it is not there
	Done         uint64
	Failed       uint64
	Cancelled    uint64
	Lost         uint64
	Restarts     uint64
	FailedStarts uint64
	Latency      Latency
}

// Latency says how long calls took that came back, with a result or an error, from the time when they were handed to a worker on.
// Of calls that take less than 10 µs one in 16 is measured, and counts for all; those behind the last of them count as it until the next is.
type Latency struct {
	counts [latencyBuckets]uint64
	n      uint64
	most   time.Duration
}

// Buckets: 16 share each doubling, from 16 ns to 4.8 h; what takes longer is in the last. A quantile is right to about 3 %. (The
// layout is that of Tene's HdrHistogram.)
const (
	subBuckets     = 16
	latencyBuckets = subBuckets * 41
)

func latencyBucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 5 // leaves five bits, of which the first is set
	return min(shift*subBuckets+int(v>>shift), latencyBuckets-1)
}

// latencyIn is the middle of what a bucket counts.
func latencyIn(bucket int) time.Duration {
	if bucket < 2*subBuckets {
		return time.Duration(bucket)
	}
	shift := bucket/subBuckets - 1
	low := uint64(bucket-shift*subBuckets) << shift
	return time.Duration(low + 1<<shift/2)
}

func (l *Latency) add(d time.Duration, times uint64) {
	l.counts[latencyBucket(d)] += times
	l.n += times
	l.most = max(l.most, d)
}

func (l *Latency) merge(other *Latency) {
	for i, n := range other.counts {
		l.counts[i] += n
	}
	l.n += other.n
	l.most = max(l.most, other.most)
}

// Count is how many calls there were.
func (l *Latency) Count() uint64 { return l.n }

// Max is the longest that was measured.
func (l *Latency) Max() time.Duration { return l.most }

// Quantile is what a share q of the calls, from 0 to 1, did not exceed; 0 if there were none.
func (l *Latency) Quantile(q float64) time.Duration {
	var seen uint64
	for i, n := range l.counts {
		seen += n
		if n > 0 && float64(seen) >= q*float64(l.n) {
			return min(latencyIn(i), l.most)
		}
	}
	return l.most
}

// MarshalJSON gives count, p50, p90, p99, p99.9 and max, in nanoseconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"count":%d,"p50":%d,"p90":%d,"p99":%d,"p99.9":%d,"max":%d}`,
		l.n, l.Quantile(0.5), l.Quantile(0.9), l.Quantile(0.99), l.Quantile(0.999), l.most), nil
}

// tally counts the calls of one process, under the pool's mu.
type tally struct {
	done, failed, cancelled, lost uint64
	latency                       Latency

	last       time.Duration // that was measured
	unmeasured uint64        // calls since then
	rest       int           // of them that still are not to be
}

// Reading the clock costs as much as a tenth of an empty call.
const (
	quick       = 10 * time.Microsecond
	measuredOne = 16
)

// returned counts a call that came back, and began at the given time of the pool's.
func (t *tally) returned(outcome uint32, born time.Time, since time.Duration) {
	if outcome == outcomeResult {
		t.done++
	} else {
		t.failed++
	}
	t.unmeasured++
	if t.rest--; t.rest > 0 {
		return
	}
	d := time.Since(born) - since
	t.latency.add(d, t.unmeasured)
	t.last, t.unmeasured, t.rest = d, 0, 0
	if d < quick {
		t.rest = measuredOne
	}
}

func (w *WorkerStats) add(t *tally) {
	w.Done += t.done
	w.Failed += t.failed
	w.Cancelled += t.cancelled
	w.Lost += t.lost
	w.Latency.merge(&t.latency)
	if t.unmeasured > 0 {
		w.Latency.add(t.last, t.unmeasured) // none is left out, though the next look may say of them what was measured by then
	}
}

// past is what the processes did that were a worker's before.
func (p *Pool) past(id int) *WorkerStats {
	if id >= firstHelper {
		if p.helpers == nil {
			p.helpers = &WorkerStats{ID: firstHelper}
		}
		return p.helpers
	}
	for len(p.history) <= id {
		p.history = append(p.history, &WorkerStats{ID: len(p.history)})
	}
	return p.history[id]
}

// queued is how many calls wait. The pool's mu is held.
func (p *Pool) queued() int {
	n := p.turns.any.Len()
	for i := range p.asked {
		n += p.asked[i].Len()
	}
	for _, queue := range p.pinned {
		n += queue.Len()
	}
	return n
}

// record keeps what a process did that is gone.
func (p *Pool) record(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.counting, l)
	p.past(l.id).add(&l.tally)
}

// Stats says what the pool has done and does. It costs nobody anything but who asks.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Size: p.size, Idle: len(p.idle), Spare: len(p.spares), Queued: p.queued()}
	for id := range max(len(p.slots), len(p.history)) {
		s.Workers = append(s.Workers, *p.past(id))
	}
	helpers := len(s.Workers)
	for l := range p.counting {
		if l.helps() {
			p.past(l.id)
		}
	}
	if p.helpers != nil {
		s.Workers = append(s.Workers, *p.helpers)
	}
	for l := range p.counting {
		s.Workers[min(l.id, helpers)].add(&l.tally)
		switch {
		case l.call == nil:
		case l.call.many != nil:
			s.Running += int(l.underWay.Load())
		default:
			s.Running++
		}
	}
	for id, l := range p.links {
		if l != nil {
			s.Ready++
			s.Workers[id].Pid = l.pid()
		}
	}
	for _, l := range p.extra {
		if l != starting {
			s.Ready++
		}
	}
	for i := range s.Workers {
		w := &s.Workers[i]
		s.Done += w.Done
		s.Failed += w.Failed
		s.Cancelled += w.Cancelled
		s.Lost += w.Lost
		s.Restarts += w.Restarts
		s.FailedStarts += w.FailedStarts
		s.Latency.merge(&w.Latency)
	}
	return s
}

// Var gives the pool's Stats as JSON, each time its String is called, for expvar:
//
//	expvar.Publish("pool", p.Var())
//
// Nothing is published without that.
func (p *Pool) Var() fmt.Stringer { return variable{p} }

type variable struct{ pool *Pool }

func (v variable) String() string {
	b, err := json.Marshal(v.pool.Stats())
	if err != nil {
		return "null" // which is JSON, as expvar demands
	}
	return string(b)
}
