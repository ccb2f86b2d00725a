package linear

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"
)

// Client is one goroutine of a process of a trial, and the record of what it did. It is used by that
// goroutine alone.
type Client struct {
	Number  int // among all of the trial, from 0
	Process int // among the trial's processes, from 0; the parent comes last
	Rand    *rand.Rand

	records []record
	next    int
	control *control
	burst   int  // the next rest comes when so many operations are recorded
	patient bool // while it is hunted
}

func newClient(number, process int, seed uint64, records []record, c *control) *Client {
	r := rand.New(rand.NewPCG(seed, uint64(number)))
	return &Client{
		Number: number, Process: process, Rand: r,
		records: records, control: c, patient: r.IntN(4) == 0,
	}
}

// More reports whether to go on, with up to 16 operations.
func (c *Client) More() bool {
	return c.next+spare <= len(c.records) && c.control.stop.Load() == 0
}

// Invoke notes that an operation begins. Its arguments are up to two words.
func (c *Client) Invoke(kind Kind, args ...uint64) {
	r := &c.records[c.next]
	r.kind = uint64(kind)
	copy(r.args[:], args)
	// A swap is a full fence: the operation's first load comes behind the clock. The parent sees
	// kind and arguments, if it sees this.
	r.call.Swap(now())
}

// Return notes what came of the operation that was invoked last.
func (c *Client) Return(code Code, outs ...uint64) {
	r := &c.records[c.next]
	copy(r.outs[:], outs)
	r.code.Swap(uint64(code) + 1) // a full fence: the operation's last store comes before the clock
	r.back.Store(now())
	c.next++
}

// Unique is a number that no other operation of the trial has, not 0.
func (c *Client) Unique() uint64 { return uint64(c.Number+1)<<32 | uint64(c.next+1) }

// beat is what all clients of all processes have in common: those who rest begin again with it, so
// that they meet, though each is at rest for most of the time.
const beat = 500 * time.Microsecond

// Pause comes between operations: mostly a fraction of a microsecond, now and then until the next
// beat. One that is about to be killed makes no pauses, so that the kill is more likely to fall into
// an operation.
func (c *Client) Pause() {
	switch {
	case c.hunted():
	case c.next >= c.burst:
		c.burst = c.next + 8 + c.Rand.IntN(48)
		rest()
	default:
		c.Work(500)
	}
}

// Rest lasts until the next beat. It is for those who have nothing to do before something happens.
func (c *Client) Rest() {
	if !c.hunted() {
		rest()
	}
}

// hunted reports whether a kill is coming, and brings it about if that is left to this process.
func (c *Client) hunted() bool {
	how := c.control.hunted.Load()
	if how >= byFuse && c.control.hunted.CompareAndSwap(how, byParent) {
		lightFuse(time.Duration(how - byFuse)) // if it does not burn, the parent kills
	}
	return how != 0
}

// rest sleeps until shortly before the next beat, and then polls the clock, so that all begin within a
// fraction of a microsecond, if they have a CPU.
func rest() {
	d := beat - time.Duration(now())%beat
	end := now() + int64(d)
	if d > early {
		sleep(d - early)
	}
	for now() < end {
		runtime.KeepAlive(end)
	}
}

const early = 20 * time.Microsecond

// Work keeps the CPU busy for up to so many turns of a loop.
func (c *Client) Work(most int) {
	for range c.Rand.IntN(most) {
		runtime.KeepAlive(c)
	}
}

// Waits reports whether to use the form of an operation that waits, if there is another one too. Of
// those that are about to be killed, some are to be found waiting, and more of them at work.
func (c *Client) Waits() bool {
	if c.control.hunted.Load() != 0 {
		return c.patient
	}
	return c.Rand.IntN(2) == 0
}

// Patience is a context for an operation that may wait. It mostly ends soon; sometimes it lasts long
// enough to see a death, or has ended before it begins.
func (c *Client) Patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.control.hunted.Load() != 0 {
		return ctx, func() {}
	}
	limit := time.Duration(100+c.Rand.IntN(2000)) * time.Microsecond
	switch c.Rand.IntN(8) {
	case 0:
		limit = 30 * time.Millisecond
	case 1:
		return over, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
