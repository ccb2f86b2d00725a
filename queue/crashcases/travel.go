package crashcases

import (
	"errors"
	"fmt"
	"io"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

type textPipe = queue.Pipe[string, string]

// courier is a pipe as each process sees it, whose second end is in a message, or goes there: nobody else has it.
type courier struct {
	near *textPipe // the first end, which all have but the victim
	far  *textPipe // what the victim has of the second one
	mail *queue.Queue[*textPipe]
}

func (c *courier) setup(a *crashlab.Actor) error {
	one, other, err := queue.NewPipe[string, string](a.Segment, 2)
	if err != nil {
		return err
	}
	before := a.Segment.Stats().Blocks
	near, err := queue.New[*textPipe](a.Segment, ends, shm.Named("near"))
	if err != nil {
		return err
	}
	for range ends - 1 {
		if err := near.Put(a.Ctx, one); err != nil {
			return err
		}
	}
	mail, err := queue.New[*textPipe](a.Segment, 2, shm.Named("mail"))
	if err == nil {
		err = mail.Put(a.Ctx, other)
	}
	if err == nil {
		err = errors.Join(one.Close(), other.Close())
	}
	if err != nil {
		return err
	}
	return collected(a, before-2+1+ends-1+1+1) // without their holds, and with queues and messages
}

func (c *courier) open(a *crashlab.Actor) (err error) {
	if c.mail, err = queue.Open[*textPipe](a.Segment, "mail"); err != nil || a.N < 0 {
		return err
	}
	near, err := queue.Open[*textPipe](a.Segment, "near")
	if err == nil {
		c.near, err = near.Get(a.Ctx)
	}
	return err
}

func (c *courier) get(a *crashlab.Actor) (err error) {
	c.far, err = c.mail.Get(a.Ctx)
	return err
}

// recover looks at what is there, and changes nothing.
func (c *courier) recover(*crashlab.Actor) error {
	_, err := c.near.Ready()
	return err
}

// check is the name of where the second end is, to whom it is of use, and who gives it up: then nobody has it.
func (c *courier) check(a *crashlab.Actor) (string, error) {
	state := "not in a message"
	far, ok, err := c.mail.TryGet()
	if ok && err == nil {
		state = "in a message"
		if err = c.near.Send(a.Ctx, inTexts.Of(9)); err == nil {
			v, e := far.Recv(a.Ctx)
			err = errors.Join(inTexts.Took(v, e, 9), far.Close())
		}
	}
	if err != nil {
		return "", err
	}
	if a.Deaths == 0 { // the victim has it, if it is not in a message
		return state, a.Segment.Check()
	}
	if v, err := c.near.Recv(a.Ctx); err != io.EOF {
		return "", fmt.Errorf("received %q from nobody: %w", v, err)
	}
	return state, a.Segment.Check()
}

func travelCases() []crashlab.Case {
	put := func() crashlab.Play {
		c := &courier{}
		return crashlab.Play{
			Setup: c.setup, Open: c.open, Recover: c.recover, Check: c.check, Ready: c.get,
			Victim: func(a *crashlab.Actor) error { return c.mail.Put(a.Ctx, c.far) },
		}
	}
	get := func() crashlab.Play {
		c := &courier{}
		return crashlab.Play{Setup: c.setup, Open: c.open, Recover: c.recover, Check: c.check, Victim: c.get}
	}
	return []crashlab.Case{
		{
			Name: "queue.Queue.Put, of an end of a pipe", Covers: []string{"queue.Queue.Put"},
			States: []string{"not in a message", "in a message"}, Play: put,
		},
		{
			Name: "queue.Queue.Get, of an end of a pipe", Covers: []string{"queue.Queue.Get"},
			States: []string{"in a message", "not in a message"}, Play: get,
		},
	}
}
