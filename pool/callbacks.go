package pool

import (
	"log/slog"
	"runtime/debug"
	"sync"
)

// callbacks calls functions one after the other, in the order in which they came, on a goroutine that
// lives as long as there are any.
type callbacks struct {
	mark mark // by which Join knows that one calls it

	mu      sync.Mutex
	queue   []func()
	running bool
	idle    chan struct{} // closed when running becomes false, for those who wait; or nil
}

func (c *callbacks) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, f)
	if !c.running {
		c.running = true
		go c.mark.around(c.run)
	}
}

func (c *callbacks) run() {
	for f := c.next(); f != nil; f = c.next() {
		c.call(f)
	}
}

// next is the next function, nil if there is none: then the goroutine ends.
func (c *callbacks) next() (f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		f, c.queue[0] = c.queue[0], nil
		c.queue = c.queue[1:]
		return f
	}
	c.running = false
	if c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
	return nil
}

// call calls f. A panic in it is logged, and if it ends its goroutine, another one goes on.
func (c *callbacks) call(f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			logPanic("a callback", v)
			return
		}
		go c.mark.around(c.run)
	}()
	f()
	returned = true
}

func logPanic(what string, v any) {
	slog.Error("pool: "+what+" panicked", "panic", v, "stack", string(debug.Stack()))
}

// apart calls f on a goroutine of its own, within the marks of this one, and waits for it. A panic in it is logged; that it ends its goroutine
// harms nobody.
func apart(what string, f func()) {
	for m := range marks() {
		inner := f
		f = func() { m.around(inner) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				logPanic(what, v)
			}
		}()
		f()
	}()
	<-done
}

// drain waits until there is none.
func (c *callbacks) drain() {
	c.mu.Lock()
	if !c.running {
		c.mu.Unlock()
		return
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	<-idle
}
