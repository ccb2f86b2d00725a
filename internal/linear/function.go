package linear

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// Function is what a client does, registered so that processes can be started with it.
type Function[A any] struct{ process *proc.Function[job[A]] }

// job is what a process of a trial is started with.
type job[A any] struct {
	Args    A
	Process int
	Clients int
	Seed    uint64
}

// Func registers what each client does until it is told that there is no more to do (Client.More). It
// gets its own attach of the trial's segment, which it shares with the other clients of its process.
// An error fails the test. Call it in the declaration of a package's variable.
func Func[A any](name string, run func(ctx context.Context, c *Client, seg *shm.Segment, args A) error) *Function[A] {
	return &Function[A]{process: proc.Func("linear "+name, func(ctx context.Context, j job[A]) error {
		return serve(ctx, j, run)
	})}
}

// serve is the process.
func serve[A any](ctx context.Context, j job[A], run func(context.Context, *Client, *shm.Segment, A) error) error {
	log, err := openJournal(proc.File(ctx, 0), j.Clients)
	if err != nil {
		return err
	}
	defer log.close()
	log.control.ready.Store(1)
	for log.control.begin.Load() == 0 {
		sleep(50 * time.Microsecond)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, j.Clients)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var clients sync.WaitGroup
		for i := range j.Clients {
			number := j.Process*j.Clients + i
			clients.Go(func() {
				c := newClient(number, j.Process, j.Seed, log.of(i), log.control)
				if err := run(ctx, c, proc.Segments(ctx)[0], j.Args); err != nil {
					errs[i] = fmt.Errorf("client %d: %w", number, err)
				}
			})
		}
		clients.Wait()
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return errors.Join(errs...)
		case <-tick.C:
			if log.control.stop.Load() != 0 {
				cancel() // wakes those that wait for something
			}
		}
	}
}
