package segment

import "github.com/kindred-ipc/kindred/internal/race"

// What one who waits knows of deaths, and does about them. It is asked before each sleep.

// mourn looks after the death of w's peer. It reports whether that ended the wait, otherwise whether
// to look again before sleeping, and what this process will hear of the death. The kernel is asked only
// where it will not tell, and once in a while (late): an exec is not told.
func (p *Point) mourn(w *Wait, late bool) (over, again bool, _ news) {
	if w.Peer == nil {
		return false, false, untold
	}
	o := w.Peer()
	if o == 0 {
		return false, false, untold
	}
	if !late && p.seg.watched(o) && !p.seg.Swept(o) {
		return false, false, pushed
	}
	if p.seg.Gone(o) {
		return w.Recover(o), true, untold
	}
	gone, news := p.seg.watch(o)
	if gone {
		return w.Recover(o), true, untold
	}
	return false, false, news
}

// haveJoined reports whether there are some who meet here and have not been looked up, or, after a sleep, some of whom there was doubt: one who
// is dead, and whom somebody else sweeps just now, tells nobody.
func (p *Point) haveJoined(rested bool) bool {
	return p.event.Joined() != p.joined.Load() || rested && p.doubtful.Load()
}

// watchOthers has the deaths pushed of all who meet here: one of them may take what is waited for while
// others sleep, make a condition true and not come to say so, or be given the only wake, and die. It
// reports whether to look again before sleeping, as after every new watch: whoever died before it, and
// was swept by somebody else, is in no slot any more. Whoever joins later wakes those who sleep.
func (p *Point) watchOthers() (again bool) {
	joined := p.event.Joined()
	doubt, heard := false, true
	for o := range p.seg.whoJoined(joined) {
		gone, news := p.seg.watch(o)
		doubt = doubt || news == doubtful || gone && !p.seg.Swept(o)
		heard = heard && news == pushed
	}
	p.doubtful.Store(doubt)
	p.heard.Store(heard)
	p.joined.Store(joined) // last: whoever else waits here for the first of many goes by the others then
	return true
}

// watched reports whether o's death is pushed to this process, unless it came already, or will never
// come.
func (s *Segment) watched(o Owner) bool { return s.lately.Load() == uint64(o) || s.hasWatch(o) }

// hasWatch is watched for another one than the last.
func (s *Segment) hasWatch(o Owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.watches[o]
	if ok = ok || o == s.Self(); ok {
		s.lately.Store(uint64(o))
	}
	return ok
}

// Swept reports whether o is known to have left. It makes no system call: false proves nothing. Of one whose death was pushed
// to this process it is known at once, though another one may be about to sweep the slot, which will tell nobody here.
func (s *Segment) Swept(o Owner) bool {
	swept := s.Left(o) || s.told.Load() > 0 && s.toldOf(o)
	if race.Enabled && swept {
		s.deaths().Acquire(0)
	}
	return swept
}

// Left reports whether o's slot is free, or another's. It takes no lock, so a Glancer may call it.
func (s *Segment) Left(o Owner) bool { return o.slot() >= s.slots || s.free(o) }
