package pool

import "fmt"

// Spares has n worker processes more wait, from 0 to 4,096; 0 without it. Whoever takes the place of a worker that died, or that has
// done its share, or is one of those that Resize and Elastic add, is one of them, if one is there: so it takes the time of the
// initializer, and not that of the start of a process. Those that are taken are made up for in the background, and so are they all by New,
// which does not wait for them. Each takes the memory of a process, and no CPU. Their processes are named spare-1, and so on.
func Spares(n int) Option {
	return func(o *options) {
		if n < 0 || n > maxWorkers {
			o.refuse("%w: Spares(%d), 0 to %d are possible", ErrOption, n, maxWorkers)
		}
		o.reserve = n
	}
}

// A spare is a link that has no place yet, in the channel spares.
//
//	state     what moves it on                         to
//	(none)    its process is ready: park               parked
//	parked    connect takes it, and it lives           the worker at a place
//	parked    connect takes it, and it is dead         (none)
//	parked    the pool ends: dropSpares                (none), by SIGKILL: it has run nothing that is to be finished

// parkAll has as many started as there should be, unless no worker comes any more.
func (p *Pool) parkAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.local && !p.stopped() && p.parking+len(p.spares) < p.reserve {
		p.parking++
		p.spared++
		name := fmt.Sprintf("spare-%d", p.spared)
		p.keep.Go(func() { p.park(name) })
	}
}

// park starts a process. If that fails, who needs one finds none, starts one, and says what is wrong.
func (p *Pool) park(name string) {
	l, err := p.launch(name)
	p.mu.Lock()
	p.parking--
	unwanted := err == nil && p.stopped()
	if err == nil && !unwanted {
		p.spares <- l // for which there is room
	}
	p.mu.Unlock()
	if unwanted {
		l.discard()
	}
}

// takeSpare returns nil if there is none.
func (p *Pool) takeSpare() *link {
	defer p.parkAll()
	for {
		select {
		case l := <-p.spares:
			if l.process.Alive() {
				return l
			}
			l.discard()
		default:
			return nil
		}
	}
}

// dropSpares ends those that wait, when no worker comes any more.
func (p *Pool) dropSpares() {
	for {
		select {
		case l := <-p.spares:
			l.discard()
		default:
			return
		}
	}
}
