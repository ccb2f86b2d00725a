package crashcases

import (
	"context"
	"errors"
	"fmt"
	gosync "sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// study is an RWMutex in a trial, as each process sees it.
type study struct {
	*sync.RWMutex
	release func() error // what this survivor holds, since before the operation
	stale   bool         // somebody else died before, so that a death is news even if the victim lives
}

func (s *study) setup(a *crashlab.Actor) error {
	_, err := sync.NewRWMutex(a.Segment, shm.Named("study"))
	return err
}

func (s *study) open(a *crashlab.Actor) (err error) {
	s.RWMutex, err = sync.OpenRWMutex(a.Segment, "study")
	return err
}

// openWritten has survivor 0 have the lock for writing, until let.
func (s *study) openWritten(a *crashlab.Actor) error {
	if err := s.open(a); err != nil || a.N != 0 {
		return err
	}
	s.release = s.Unlock
	return s.Lock(a.Ctx)
}

// openRead has survivor 0 have it for reading.
func (s *study) openRead(a *crashlab.Actor) error {
	if err := s.open(a); err != nil || a.N != 0 {
		return err
	}
	s.release = s.RUnlock
	return s.RLock(a.Ctx)
}

// often is how many readers earn a mark for sure.
const often = 1 << 12

// practise reads until this goroutine has a mark.
func (s *study) practise(a *crashlab.Actor) error {
	if err := a.Registered(); err != nil {
		return err
	}
	for range often {
		if err := s.read(a); err != nil {
			return err
		}
	}
	return nil
}

// openMarked has survivor 0 have a mark, and read no more.
func (s *study) openMarked(a *crashlab.Actor) error {
	if err := s.open(a); err != nil || a.N != 0 {
		return err
	}
	return s.practise(a)
}

// readMarked locks by a mark.
func (s *study) readMarked(a *crashlab.Actor) error {
	return errors.Join(s.practise(a), s.RLock(a.Ctx))
}

// openSuspect leaves it with a writer who is gone: an attach that survivor 0 closes.
func (s *study) openSuspect(a *crashlab.Actor) error {
	s.stale = true
	if err := s.open(a); err != nil || a.N != 0 {
		return err
	}
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	var gone study
	if err := gone.open(&crashlab.Actor{Segment: seg}); err != nil {
		return err
	}
	return errors.Join(gone.Lock(a.Ctx), seg.Close())
}

func (s *study) let(*crashlab.Actor) error {
	release := s.release
	s.release = nil
	if release == nil {
		return nil
	}
	return release()
}

func (s *study) lock(a *crashlab.Actor) error  { return s.Lock(a.Ctx) }
func (s *study) rlock(a *crashlab.Actor) error { return s.RLock(a.Ctx) }

// known is nil for an error that tells of a death that there was.
func (s *study) known(a *crashlab.Actor, err error) error {
	if s.stale && errors.Is(err, sync.ErrOwnerDied) || a.Died(err, sync.ErrOwnerDied) {
		return nil
	}
	return err
}

// read reads, suspect or not.
func (s *study) read(a *crashlab.Actor) error {
	if err := s.known(a, s.RLock(a.Ctx)); err != nil {
		return err
	}
	return s.RUnlock()
}

// write writes, and repairs what a dead writer left, which he says.
func (s *study) write(a *crashlab.Actor) error {
	err := s.Lock(a.Ctx)
	if errors.Is(err, sync.ErrOwnerDied) {
		if err = s.known(a, err); err == nil {
			a.Say("repaired")
			err = s.MarkConsistent()
		}
	}
	if err != nil {
		return err
	}
	return s.Unlock()
}

// pass does both, as every survivor must be able to.
func (s *study) pass(a *crashlab.Actor) error {
	if err := s.let(a); err != nil {
		return err
	}
	if a.N%2 == 0 {
		return errors.Join(s.read(a), s.write(a))
	}
	return errors.Join(s.write(a), s.read(a))
}

// left says, in the words of the case, whether somebody had to repair. That happens once for each death at
// most, and nobody has the lock in the end.
func (s *study) left(not, yes string) func(a *crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		if who, held := s.Owner(); held {
			return "", fmt.Errorf("still held by %s", who)
		}
		if n := s.Readers(); n != 0 {
			return "", fmt.Errorf("%d still read", n)
		}
		if err := s.RLock(a.Ctx); err != nil {
			return "", fmt.Errorf("in the end: %w", err)
		}
		if n := len(a.Said); n > a.Deaths {
			return "", fmt.Errorf("%d deaths, but repaired %d times", a.Deaths, n)
		}
		if len(a.Said) > 0 || a.Deaths > 1 { // a second one may have repaired it
			return yes, s.RUnlock()
		}
		return not, s.RUnlock()
	}
}

// whole sees that nobody had to repair what the victim left, and else is left.
func (s *study) whole(a *crashlab.Actor) (string, error) {
	if len(a.Said) > 0 && a.Deaths == 1 {
		return "", errors.New("the victim did not write, and somebody had to repair")
	}
	return s.left("", "")(a)
}

// through locks and unlocks.
func through(l gosync.Locker) {
	l.Lock()
	defer l.Unlock()
}

func rwMutexCases() []crashlab.Case {
	played := func(change func(s *study, p *crashlab.Play)) func() crashlab.Play {
		return func() crashlab.Play {
			var s study
			p := crashlab.Play{Setup: s.setup, Open: s.open, Recover: s.pass, Check: s.left("", "")}
			change(&s, &p)
			return p
		}
	}
	return []crashlab.Case{
		{
			Name: "sync.NewRWMutex", Covers: []string{"sync.NewRWMutex"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewRWMutex(a.Segment, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) (err error) {
					var s study
					if s.RWMutex, err = sync.OpenRWMutex(a.Segment, "new"); err != nil {
						return err
					}
					return s.write(a)
				})
			},
		},
		{
			Name: "sync.OpenRWMutex", Covers: []string{"sync.OpenRWMutex", "sync.RWMutexFrom"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.whole
				p.Victim = func(a *crashlab.Actor) error {
					m, err := sync.OpenRWMutex(a.Segment, "study")
					if err == nil {
						_, err = sync.RWMutexFrom(a.Segment, m.Ref())
					}
					return err
				}
			}),
		},
		{
			// The first time: a line is made for the process.
			Name: "sync.RWMutex.RLock, the first", Covers: []string{"sync.RWMutex.RLock"},
			Play: played(func(s *study, p *crashlab.Play) { p.Check, p.Victim, p.Storm = s.whole, s.rlock, s.pass }),
		},
		{
			Name: "sync.RWMutex.RLock", Covers: []string{"sync.RWMutex.RLock", "sync.RWMutex.TryRLock"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.whole
				p.Ready = s.read
				p.Victim = func(a *crashlab.Actor) error {
					_, err := s.TryRLock()
					return errors.Join(s.RLock(a.Ctx), err)
				}
			}),
		},
		{
			Name: "sync.RWMutex.RLock, a writer has it", Covers: []string{"sync.RWMutex.RLock"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Open, p.Ready, p.Victim, p.Unblock = s.openWritten, nil, s.rlock, s.let
			}),
		},
		{
			Name: "sync.RWMutex.RLock, of a dead writer's", Covers: []string{"sync.RWMutex.RLock"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Open, p.Victim = s.openSuspect, func(a *crashlab.Actor) error { return unless(s.RLock(a.Ctx), sync.ErrOwnerDied) }
				p.Check = func(a *crashlab.Actor) (string, error) {
					a.Deaths++ // the attach that was closed
					return s.left("", "")(a)
				}
			}),
		},
		{
			Name: "sync.RWMutex.RUnlock", Covers: []string{"sync.RWMutex.RUnlock"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.whole
				p.Ready, p.Victim = s.rlock, func(*crashlab.Actor) error { return s.RUnlock() }
			}),
		},
		{
			Name: "sync.RWMutex.RUnlock, a writer waits", Covers: []string{"sync.RWMutex.RUnlock"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.whole
				p.Ready, p.Wait, p.Victim = s.rlock, s.write, func(*crashlab.Actor) error { return s.RUnlock() }
			}),
		},
		{
			Name: "sync.RWMutex.RLock, by a mark", Covers: []string{"sync.RWMutex.RLock"},
			Play: played(func(s *study, p *crashlab.Play) { p.Check, p.Ready, p.Victim = s.whole, s.practise, s.rlock }),
		},
		{
			Name: "sync.RWMutex.RUnlock, by a mark, a writer waits", Covers: []string{"sync.RWMutex.RUnlock"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.whole
				p.Ready, p.Wait, p.Victim = s.readMarked, s.write, func(*crashlab.Actor) error { return s.RUnlock() }
			}),
		},
		{
			Name: "sync.RWMutex.Lock, readers have marks", Covers: []string{"sync.RWMutex.Lock"}, States: []string{"whole", "suspect"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check, p.Open, p.Victim = s.left("whole", "suspect"), s.openMarked, s.lock
			}),
		},
		{
			Name: "sync.RWMutex.Lock", Covers: []string{"sync.RWMutex.Lock"}, States: []string{"whole", "suspect"},
			Play: played(func(s *study, p *crashlab.Play) { p.Check, p.Victim = s.left("whole", "suspect"), s.lock }),
		},
		{
			Name: "sync.RWMutex.Lock, a reader has it", Covers: []string{"sync.RWMutex.Lock"}, States: []string{"whole", "suspect"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.left("whole", "suspect")
				p.Open, p.Victim, p.Unblock = s.openRead, s.lock, s.let
			}),
		},
		{
			Name: "sync.RWMutex.Lock, cancelled while it waits for readers", Covers: []string{"sync.RWMutex.Lock"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Open, p.Unblock, p.Patience = s.openRead, s.let, 5*time.Second
				p.Victim = func(a *crashlab.Actor) error {
					ctx, cancel := context.WithTimeout(a.Ctx, 300*time.Millisecond)
					defer cancel()
					err := s.Lock(ctx)
					if err == nil {
						return s.Unlock() // it took long to come here, and the lock was let go
					}
					return unless(err, context.DeadlineExceeded)
				}
			}),
		},
		{
			Name: "sync.RWMutex.TryLock", Covers: []string{"sync.RWMutex.TryLock"}, States: []string{"whole", "suspect"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.left("whole", "suspect")
				p.Victim = func(*crashlab.Actor) error {
					got, err := s.TryLock()
					if err == nil && !got {
						err = errors.New("the lock is taken")
					}
					return err
				}
			}),
		},
		{
			Name: "sync.RWMutex.Unlock, readers and a writer wait", Covers: []string{"sync.RWMutex.Unlock"}, States: []string{"suspect", "whole"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.left("whole", "suspect")
				p.Ready, p.Wait, p.Victim = s.lock, s.pass, func(*crashlab.Actor) error { return s.Unlock() }
			}),
		},
		{
			Name: "sync.RWMutex.Downgrade, a reader waits", Covers: []string{"sync.RWMutex.Downgrade"}, States: []string{"suspect", "whole"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Check = s.left("whole", "suspect")
				p.Ready, p.Wait, p.Victim = s.lock, s.read, func(*crashlab.Actor) error { return s.Downgrade() }
			}),
		},
		{
			Name: "sync.RWMutex.MarkConsistent", Covers: []string{"sync.RWMutex.MarkConsistent"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Open, p.Ready = s.openSuspect, func(a *crashlab.Actor) error { return unless(s.Lock(a.Ctx), sync.ErrOwnerDied) }
				p.Victim = func(*crashlab.Actor) error { return s.MarkConsistent() }
				p.Check = func(a *crashlab.Actor) (string, error) {
					a.Deaths++
					return s.left("", "")(a)
				}
			}),
		},
		{
			Name:   "sync.RWMutex.Locker and RLocker",
			Covers: []string{"sync.RWMutex.Locker", "sync.RWMutex.RLocker", "sync.RWMutex.Reading"},
			Play: played(func(s *study, p *crashlab.Play) {
				p.Victim = func(*crashlab.Actor) error {
					_ = s.Reading()
					through(s.Locker(nil))
					through(s.RLocker())
					return nil
				}
			}),
		},
	}
}
