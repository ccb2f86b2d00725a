// Package crashcases has the operations of package proc for the crash lab: what a parent is at while it is
// killed. Its children must end with it.
package crashcases

import (
	"context"
	"os"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/proc"
)

// Cases are all of them.
func Cases() []crashlab.Case { return parentCases() }

// idle is what children do: nothing, until something ends them.
var idle = proc.Func("crashcases/idle", func(context.Context, bool) error {
	for {
		time.Sleep(time.Hour)
	}
})

// brief ends by itself.
var brief = proc.Func("crashcases/brief", func(context.Context, bool) error { return nil })

// parent is the victim with its child.
type parent struct {
	child *proc.Process
	warm  *proc.Warm[bool]
}

func (p *parent) start(a *crashlab.Actor) (err error) {
	p.child, err = idle.Start(a.Ctx, true, proc.Stderr(nil))
	return err
}

// have makes the victim the head of a family, and starts a child.
func (p *parent) have(a *crashlab.Actor) error {
	if err := a.Found(); err != nil {
		return err
	}
	return p.start(a)
}

// haveBrief starts one that ends.
func (p *parent) haveBrief(a *crashlab.Actor) (err error) {
	if err = a.Found(); err == nil {
		p.child, err = brief.Start(a.Ctx, true, proc.Stderr(nil))
	}
	return err
}

// round is the life of a child.
func (p *parent) round(a *crashlab.Actor) error {
	if err := p.have(a); err != nil {
		return err
	}
	return p.child.Close()
}

// haveWarm makes the victim the head of a family of children that wait.
func (p *parent) haveWarm(a *crashlab.Actor) (err error) {
	if err = a.Found(); err == nil {
		p.warm, err = idle.Warm(a.Ctx, 1, proc.Stderr(nil))
	}
	return err
}

// group starts two in a group, and waits for their end.
func (p *parent) group(a *crashlab.Actor) error {
	g, _ := proc.NewGroup(a.Ctx)
	g.SetLimit(2)
	g.SetGrace(time.Second)
	for range 2 {
		brief.Go(g, true, proc.Stderr(nil))
	}
	return g.Wait()
}

func orphaned(a *crashlab.Actor) error { return a.Orphaned() }

func parentCases() []crashlab.Case {
	type play = crashlab.Play
	of := func(name string, make func(p *parent) play) crashlab.Case {
		return crashlab.Case{
			Name: name, Covers: []string{name},
			Play: func() play {
				p := make(&parent{})
				p.Bare, p.Recover = true, orphaned
				return p
			},
		}
	}
	also := func(c crashlab.Case, more ...string) crashlab.Case {
		c.Covers = append(c.Covers, more...)
		return c
	}
	// on is an operation on a child that is there.
	on := func(name string, operation func(c *proc.Process) error) crashlab.Case {
		return of(name, func(p *parent) play {
			return play{Ready: p.have, Victim: func(*crashlab.Actor) error { return operation(p.child) }}
		})
	}
	return []crashlab.Case{
		of("proc.Function.Start", func(p *parent) play {
			return play{Ready: (*crashlab.Actor).Found, Victim: p.start, Storm: p.round}
		}),
		of("proc.Process.Wait", func(p *parent) play {
			return play{Ready: p.haveBrief, Victim: func(a *crashlab.Actor) error { return p.child.Wait(a.Ctx) }}
		}),
		on("proc.Process.Kill", (*proc.Process).Kill),
		on("proc.Process.Terminate", (*proc.Process).Terminate),
		on("proc.Process.Interrupt", (*proc.Process).Interrupt),
		on("proc.Process.Signal", func(c *proc.Process) error { return c.Signal(os.Kill) }),
		on("proc.Process.Close", (*proc.Process).Close),
		of("proc.Function.Warm", func(p *parent) play {
			return play{Ready: (*crashlab.Actor).Found, Victim: func(a *crashlab.Actor) (err error) {
				p.warm, err = idle.Warm(a.Ctx, 1, proc.Stderr(nil))
				return err
			}}
		}),
		of("proc.Warm.Start", func(p *parent) play {
			return play{Ready: p.haveWarm, Victim: func(a *crashlab.Actor) (err error) {
				p.child, err = p.warm.Start(a.Ctx, true)
				return err
			}}
		}),
		of("proc.Warm.Close", func(p *parent) play {
			return play{Ready: p.haveWarm, Victim: func(*crashlab.Actor) error { return p.warm.Close() }}
		}),
		also(of("proc.Group.Wait", func(p *parent) play {
			return play{Ready: (*crashlab.Actor).Found, Victim: p.group}
		}), "proc.Function.Go", "proc.NewGroup", "proc.Group.SetLimit", "proc.Group.SetGrace"),
	}
}
