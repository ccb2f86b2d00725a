package pool

import "github.com/kindred-ipc/kindred/internal/futex"

// contexts are those of the calls that a worker makes one behind the other, of requests of several. They are used again, so that a call allocates
// none.
type contexts struct {
	*cancels
	places [contextsKept]*taskContext // by id
	looked uint64                     // of calls up to this one settle has looked at them
	before int64                      // makes, then
}

// contextsKept is how many calls are begun before one may have the context of another one, of one that has returned without having asked it. A
// goroutine that it has left behind, and that asks only now, is told that the context is over, unless the one that has it runs.
const contextsKept = 1024

// of is the context of the call that is begun now.
func (c *contexts) of(id uint64, when int64) *taskContext {
	t := c.places[id%contextsKept]
	if !t.fits(when) {
		t = c.another(id, when)
	}
	futex.Publish(&t.id, id)
	return t
}

// fits reports whether t may be the context of another call, with that deadline.
func (t *taskContext) fits(when int64) bool {
	return t != nil && t.made.Load() == nil && t.when.Load() == when
}

// another is a context for the call, whose place has none that will do.
func (c *contexts) another(id uint64, when int64) *taskContext {
	t := c.places[id%contextsKept]
	if t != nil && t.made.Load() != nil {
		c.release(t)
		t = nil
	}
	if t == nil {
		t = &taskContext{cancels: c.cancels}
		c.places[id%contextsKept] = t
	}
	t.when.Store(when)
	return t
}

// settle makes sure that those of all calls before that one are over: they have returned. It is called before the last of their outcomes are
// committed, since who asks of a call behind that breaks the protocol.
func (c *contexts) settle(next uint64) {
	c.ended.Store(next - 1) // a fence, which pairs with the add in real
	n := c.makes.Load()
	if n != c.before {
		for id := max(c.looked, next-min(next, contextsKept)); id < next; id++ {
			if t := c.places[id%contextsKept]; t != nil {
				c.release(t)
			}
		}
	}
	c.before, c.looked = n, next
}
