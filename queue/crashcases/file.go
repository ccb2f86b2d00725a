package crashcases

import (
	"errors"
	"fmt"
	"os"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/keeper"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// post is a queue of files, as each process sees it. Each is the keeper of what it puts, and others take that out of it, if the system lets
// them.
type post struct {
	q    *queue.Queue[*shm.File]
	file *os.File
}

func (p *post) setup(a *crashlab.Actor) error {
	_, err := queue.New[*shm.File](a.Segment, 2, shm.Named("files"))
	return err
}

func (p *post) open(a *crashlab.Actor) (err error) {
	p.q, err = queue.Open[*shm.File](a.Segment, "files")
	return err
}

// ready opens what is put.
func (p *post) ready(*crashlab.Actor) (err error) {
	p.file, err = os.Open(os.DevNull)
	return err
}

func (p *post) put(a *crashlab.Actor) error { return p.q.Put(a.Ctx, shm.NewFile(p.file)) }

// fill puts the file that the victim gets.
func (p *post) fill(a *crashlab.Actor) error {
	err := p.setup(a)
	if err == nil {
		err = p.open(a)
	}
	if err == nil {
		err = p.ready(a)
	}
	if err == nil {
		err = errors.Join(p.put(a), p.file.Close())
	}
	return err
}

func (p *post) get(a *crashlab.Actor) error {
	f, err := p.q.Get(a.Ctx)
	if err == nil {
		return f.Close()
	}
	return mayLack(err)
}

// mayLack is err, unless it is that a file cannot be had, which is so when who has put it is dead, or may not be traced.
func mayLack(err error) error {
	if errors.Is(err, shm.ErrFile) {
		return nil
	}
	return err
}

// check takes what is there.
func (p *post) check(a *crashlab.Actor) (state string, err error) {
	switch n := p.q.Len(); n {
	case 0:
		state = "none"
	case 1:
		state = "one"
		if f, ok, err := p.q.TryGet(); err == nil && ok {
			_ = f.Close()
		} else if mayLack(err) != nil || err == nil {
			return "", fmt.Errorf("a message, %v, that cannot be had: %w", ok, err)
		}
	default:
		return "", fmt.Errorf("%d messages", n)
	}
	for keeper.Count() > 0 && !a.Paused {
		if err := a.Nap(); err != nil {
			return "", fmt.Errorf("%d files are kept for no message: %w", keeper.Count(), err)
		}
	}
	return state, shm.Check(a.Segment)
}

func fileCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name: "queue.Queue.Put, of a file", Covers: []string{"queue.Queue.Put"}, States: []string{"none", "one"}, Long: true,
			Play: func() crashlab.Play {
				p := new(post)
				return crashlab.Play{Setup: p.setup, Open: p.open, Ready: p.ready, Victim: p.put, Check: p.check}
			},
		},
		{
			Name: "queue.Queue.Get, of a file", Covers: []string{"queue.Queue.Get"}, States: []string{"one", "none"}, Long: true,
			Play: func() crashlab.Play {
				p := new(post)
				return crashlab.Play{Setup: p.fill, Open: p.open, Victim: p.get, Check: p.check}
			},
		},
	}
}
