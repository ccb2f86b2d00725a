package pool

import (
	"math"
	"math/bits"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// bound is how many inputs may be taken whose results are not yielded.
func (m *mapping[In, Out]) bound() uint64 { return uint64(ahead * m.width * int(m.want.Load())) }

// grow makes the ring one of at least n places. Only the caller's goroutine calls it.
func (m *mapping[In, Out]) grow(n uint64) {
	if n <= uint64(len(m.ring)) {
		return
	}
	ring := make([]In, 1<<bits.Len64(n-1))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := m.taken; i < m.next; i++ {
		ring[i%uint64(len(ring))] = m.ring[i%uint64(len(m.ring))]
	}
	m.ring = ring
}

// push adds an input, for which there is room. Its store may pass the load that follows it, and so miss a driver that goes to wait: such a one
// looks again (see await), and so does the next push.
func (m *mapping[In, Out]) push(in In) {
	m.ring[m.next&uint64(len(m.ring)-1)] = in
	m.next++
	futex.Publish(&m.pushed, m.next) // pairs with the load in available
	if m.next >= m.alarm.Load() {    // pairs with the store in await
		m.wake()
	}
}

// wake has a driver look, because there is more.
func (m *mapping[In, Out]) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rouse()
}

// rouse wakes a driver that waits. The mapping's mu is held.
func (m *mapping[In, Out]) rouse() {
	if m.idle > 0 {
		m.idle--
		m.work.Signal()
	}
	if m.idle > 0 {
		m.alarm.Store(m.pushed.Load() + 1)
	} else {
		m.alarm.Store(math.MaxUint64)
	}
}

// rouseAll wakes all drivers that wait. The mapping's mu is held.
func (m *mapping[In, Out]) rouseAll() {
	m.idle = 0
	m.alarm.Store(math.MaxUint64)
	m.work.Broadcast()
}

// linger is the end of a driver's patience.
func (m *mapping[In, Out]) linger() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rouseAll()
}

// close says that no more inputs come.
func (m *mapping[In, Out]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.rouseAll()
}

// available is how many inputs there are that nobody has taken. The mapping's mu is held.
func (m *mapping[In, Out]) available() int { return int(m.pushed.Load() - m.taken) }

// enough is how many inputs a driver had rather wait for than take fewer.
func (m *mapping[In, Out]) enough() int { return max(int(m.want.Load())/2, m.chunk, 1) }

// await waits until there is work, and reports false if there will be none.
func (m *mapping[In, Out]) await() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	lingers, looks := false, false
	for {
		n := m.available()
		if len(m.back) > 0 {
			return true
		}
		if m.closed && n == 0 && m.done == m.pushed.Load() {
			m.rouseAll()
			return false
		}
		if n >= m.enough() || n > 0 && (m.closed || m.hungry || lingers || m.ctx.Err() != nil) {
			if n > int(m.want.Load()) {
				m.rouse() // for the rest
			}
			return true
		}
		need := uint64(1)
		switch {
		case n > 0:
			need = uint64(m.enough())
			defer time.AfterFunc(lingering, m.linger).Stop()
			lingers = true
		case !looks:
			defer time.AfterFunc(lookingAgain, m.linger).Stop()
			looks = true
		}
		m.alarm.Store(min(m.alarm.Load(), m.taken+need)) // this store pairs with the load in push, and the load that follows with the store there
		if m.available() >= int(need) {
			continue
		}
		m.idle++
		m.work.Wait() // who wakes it has counted it out
	}
}

// take is what a driver has of the inputs.
func (m *mapping[In, Out]) take(most int, underWay bool) *batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := len(m.back) - 1; i >= 0 {
		b := m.back[i]
		m.back = m.back[:i]
		if b.n > most {
			m.back = append(m.back, b.split(most))
		}
		return b
	}
	n := m.available()
	if n == 0 || underWay && n < m.enough() && !m.hungry {
		return nil
	}
	if m.each.Load() == 0 {
		n = (n + m.width - 1) / m.width // calls may be long this time: others have their share
	}
	n = min(n, int(m.want.Load()), most)
	w := m.following(n)
	m.taken += uint64(n)
	return &batch{load: w, n: n, attempt: 1}
}

// following are the next n inputs. The mapping's mu is held.
func (m *mapping[In, Out]) following(n int) *inputs[In, Out] {
	if m.whole != nil {
		return m.whole.part(m, n)
	}
	w := m.blank(n)
	w.at = m.taken
	from := m.ring[m.taken&uint64(len(m.ring)-1):]
	from = from[:min(n, len(from))]
	rest := m.ring[:n-len(from)]
	copy(w.in, from)
	copy(w.in[len(from):], rest)
	clear(from)
	clear(rest)
	return w
}

// blank are n inputs. The mapping's mu is held.
func (m *mapping[In, Out]) blank(n int) *inputs[In, Out] {
	if i := len(m.spare) - 1; i >= 0 && cap(m.spare[i].in) >= n {
		w := m.spare[i]
		m.spare = m.spare[:i]
		w.m, w.in, w.out = m, w.in[:n], w.out[:n]
		return w
	}
	room := 1 << bits.Len(uint(n-1))
	return &inputs[In, Out]{m: m, in: make([]In, n, room), out: make([]Out, n, room)}
}

// again takes back what was not begun, or is to be begun again.
func (m *mapping[In, Out]) again(b *batch) {
	if b.n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.back = append(m.back, b)
	m.rouse()
}
