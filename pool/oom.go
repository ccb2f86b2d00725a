package pool

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// OOM says whether the kernel's out-of-memory killer ended a process.
type OOM int

const (
	// OOMUnknown: it was SIGKILL, and there is no counter that tells.
	OOMUnknown OOM = iota
	// OOMNo: it was something else.
	OOMNo
	// OOMYes: it was SIGKILL, and the control group's counter of such kills has grown.
	OOMYes
)

// String is unknown, no or yes.
func (o OOM) String() string {
	switch o {
	case OOMNo:
		return "no"
	case OOMYes:
		return "yes"
	default:
		return "unknown"
	}
}

// oomCounter counts the kills of the out-of-memory killer: in the control group of this process, which is
// that of its workers, or, if not ours, anywhere. Not ok: nobody counts.
type oomCounter func() (kills uint64, ours, ok bool)

// oomWatch holds the deaths of workers against the counter. The kernel counts before it kills. The counter does not say
// who it was: of a kill that no worker died of, for as long as it is unclaimed, a worker may be taken for the victim that was killed by
// somebody else at that time.
type oomWatch struct {
	count oomCounter

	mu        sync.Mutex
	seen      uint64
	unclaimed uint64
	at        time.Time // when the last of them was seen
}

// unclaimedFor is how long a kill waits for the worker that died of it.
const unclaimedFor = time.Second

func newOOMWatch(count oomCounter) *oomWatch {
	w := &oomWatch{count: count}
	w.seen, _, _ = count()
	return w
}

// look brings seen up to date, so that a kill of now is not put down to a later death.
func (w *oomWatch) look(now time.Time) (ours, ok bool) {
	kills, ours, ok := w.count()
	if !ok {
		return false, false
	}
	if w.unclaimed > 0 && now.Sub(w.at) > unclaimedFor {
		w.unclaimed = 0
	}
	if kills > w.seen {
		w.unclaimed += kills - w.seen
		w.at = now
	}
	w.seen = kills
	return ours, true
}

// note looks when a worker starts.
func (w *oomWatch) note(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(now)
}

// verdict is what a worker died of that was ended by sig.
func (w *oomWatch) verdict(sig syscall.Signal, now time.Time) OOM {
	if sig != syscall.SIGKILL {
		return OOMNo
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ours, ok := w.look(now)
	switch {
	case !ok:
		return OOMUnknown
	case w.unclaimed == 0:
		return OOMNo
	case !ours:
		return OOMUnknown
	}
	w.unclaimed--
	return OOMYes
}

// oomKills reads the field of that name from a file of lines of names and numbers: memory.events, memory.oom_control,
// vmstat.
func oomKills(text string) (uint64, bool) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
