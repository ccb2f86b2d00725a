//go:build interleave && (linux || darwin)

package interleave

import "iter"

// coroutine is what a thread runs on. It is used again by the next run, because a new one would grow
// its stack each time, which costs more than the run.
type coroutine struct {
	body   func()
	resume func() (struct{}, bool) // until the body gives its turn away, or has ended
	end    func()
	yield  func(struct{}) bool
}

// stable is the coroutines of a search that no thread runs on.
type stable []*coroutine

func (s *stable) take(body func()) *coroutine {
	var c *coroutine
	if n := len(*s); n > 0 {
		c = (*s)[n-1]
		*s = (*s)[:n-1]
	} else {
		c = new(coroutine)
		c.resume, c.end = iter.Pull(func(yield func(struct{}) bool) {
			c.yield = yield
			for {
				c.body()
				if !yield(struct{}{}) {
					return
				}
			}
		})
	}
	c.body = body
	return c
}

func (s *stable) giveBack(c *coroutine) { *s = append(*s, c) }

func (s *stable) close() {
	for _, c := range *s {
		c.end()
	}
}
