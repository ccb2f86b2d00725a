package ring

import (
	"context"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/bulk"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

const (
	// runMost is how many bytes of the ring PushN publishes at a time at most: the reader begins while the next are written.
	runMost = 32 << 10
	// runPast is from how many bytes on they go past the caches. Whoever is to read a line that lies in the cache of another core
	// waits for that core, and so does whoever writes it next; memory is fetched ahead, and written to without being fetched.
	runPast = 4 << 10
)

// PushN appends a copy of each record, in their order, and blocks while there is no room for the next. It returns how many it
// pushed, which is all unless there is an error. Those of a run become visible at once, where a run is as many as there is room for, up
// to 32 KiB, or one record of 1 KiB or more: a writer that is killed has pushed the first few runs, or none, or all. What was
// appended before comes first. Errors: ErrTooLarge, for a record of which those before are pushed, and those of Push.
func (w *BytesWriter) PushN(ctx context.Context, records [][]byte) (int, error) {
	w.Flush()
	for n := 0; n < len(records); {
		want := worth(records[n:])
		w.hope(want)
		rec, err := w.plan(len(records[n]))
		if err == nil {
			err = w.await(ctx, need(rec))
		}
		if err != nil {
			return n, w.end.wrap("push to", err)
		}
		k := w.pushRun(rec, records[n:], want >= runPast)
		if err := w.lost(); err != nil {
			return n, err
		}
		n += k
	}
	runtime.KeepAlive(w)
	return len(records), nil
}

// worth is how many bytes of the ring the next run takes, up to where it goes past the caches.
func worth(records [][]byte) uint64 {
	size := uint64(recordHeader)
	for _, p := range records {
		if len(p) >= longRecord || size >= runPast {
			break
		}
		size += record{recordHeader, uint64(len(p))}.size()
	}
	return size
}

// hope polls for a while for room for so many bytes. A reader that is slower than the writer makes room for a few records at a time, and
// who takes that at once has for ever to do with few.
func (w *BytesWriter) hope(want uint64) {
	want = min(want, w.ring.size/giveBack)
	for n := 1; n < glances && w.end.polls && w.free < want; n++ {
		if _, err := w.ready(want, n%exactEvery == 0); err != nil {
			return
		}
		futex.Pause()
	}
}

// pushRun publishes a run, for whose first record, rec, there is room, and returns how many it were.
func (w *BytesWriter) pushRun(rec record, records [][]byte, past bool) (n int) {
	if race.Enabled {
		w.end.race.Acquire(racePosition)
	}
	if rec.length >= longRecord {
		w.Commit(bulk.Copy(w.reserve(rec), records[0]))
		return 1
	}
	most, size := min(w.free-recordHeader, runMost), uint64(0)
	if past && most >= runPast {
		n, size = w.ring.stream(w.at, records, most)
	}
	if n == 0 {
		n, size = w.write(w.at, records, most)
	}
	at := w.at
	w.at = w.ring.behind(at, size)
	w.pos += size
	w.free -= size
	w.publish(at, headerOf(rec))
	return n
}

// write writes the records of a run to offset at, up to the first that is long, or for which most bytes have no room: but for the header of the first, which
// publishes it, and with the 0 behind the last. It returns how many, at least one, and how many bytes of the ring they take.
func (w *BytesWriter) write(at uint64, records [][]byte, most uint64) (n int, size uint64) {
	for _, p := range records {
		rec := record{recordHeader, uint64(len(p))}
		if rec.length >= longRecord || size+rec.size() > most {
			break
		}
		if race.Enabled {
			w.end.race.Release(raceItems + at/recordAlign)
		}
		if n > 0 {
			futex.Publish(w.ring.header(at), headerOf(rec)) // seen by nobody before the first one's
		}
		copy(w.ring.payload(at, rec), p)
		at = w.ring.behind(at, rec.size())
		n, size = n+1, size+rec.size()
	}
	futex.Publish(w.ring.header(at), 0)
	return n, size
}
