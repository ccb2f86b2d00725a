package queues_test

import (
	"context"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/queue"
)

// Whatever a hostile peer writes, a message is had or an error says why not, at once.

var underAttack = corruption.Register(corruption.Scene{
	Name:    "queue",
	Moments: 3,
	Changes: []string{corruption.Tasks, corruption.Errands},
	Script: func(t *corruption.Trial) {
		t.Moment()
		var tasks *queue.Queue[uint64]
		undone := 0
		had := func(n int, err error) error {
			if err == nil {
				undone += n
			}
			return err
		}
		var errands *queue.Queue[string]
		haveTasks := t.Do("open tasks", func() (_ any, err error) {
			tasks, err = queue.Open[uint64](t.Seg, corruption.Tasks)
			return nil, err
		})
		haveErrands := t.Do("open errands", func() (_ any, err error) {
			errands, err = queue.Open[string](t.Seg, corruption.Errands)
			return nil, err
		})
		t.Moment()
		if haveTasks {
			t.Do("number of tasks", func() (any, error) { return tasks.Len(), nil })
			t.Pass("get a task", func(ctx context.Context) (any, error) {
				v, err := tasks.Get(ctx)
				return v, had(1, err)
			})
		}
		var first queue.Lease[string]
		leases := false
		if haveErrands {
			t.Do("number of errands", func() (any, error) { return errands.Len(), nil })
			t.Pass("lease an errand", func(ctx context.Context) (_ any, err error) {
				first, err = errands.Lease(ctx)
				leases = err == nil
				return first.Message, err
			})
		}
		t.Moment()
		if haveTasks {
			t.Do("try to put a task", func() (any, error) { return tasks.TryPut(7) })
			t.Pass("put a task", func(ctx context.Context) (any, error) { return nil, tasks.Put(ctx, 8) })
			t.Pass("get three tasks", func(ctx context.Context) (any, error) {
				n, err := tasks.GetMany(ctx, make([]uint64, 3))
				return n, had(n, err)
			})
			t.Do("try to get a task", func() (any, error) {
				v, ok, err := tasks.TryGet()
				if ok {
					err = had(1, err)
				}
				return v*2 + map[bool]uint64{true: 1}[ok], err
			})
			for range undone {
				t.Do("done", func() (any, error) { return nil, tasks.Done() })
			}
			t.Pass("join tasks", func(ctx context.Context) (any, error) { return nil, tasks.Join(ctx) })
			t.Do("shut down tasks", func() (any, error) { return nil, tasks.Shutdown() })
			t.Pass("get behind the end", func(ctx context.Context) (any, error) { return tasks.Get(ctx) })
		}
		if leases {
			t.Do("ack", func() (any, error) { return nil, first.Ack() })
		}
		if haveErrands {
			t.Pass("put an errand", func(ctx context.Context) (any, error) { return nil, errands.Put(ctx, "four") })
			t.Do("errands", func() (any, error) {
				texts := ""
				for range 8 * corruption.Slots {
					l, ok, err := errands.TryLease()
					if err != nil || !ok {
						return texts, err
					}
					if texts += l.Message; len(texts)%2 == 0 && l.Deliveries < 3 {
						err = l.Nack()
					} else {
						err = l.Ack()
					}
					if err != nil {
						return texts, err
					}
				}
				return texts, nil
			})
			t.Pass("join errands", func(ctx context.Context) (any, error) { return nil, errands.Join(ctx) })
			t.Do("shut down errands", func() (any, error) { return nil, errands.ShutdownNow() })
			t.Pass("lease behind the end", func(ctx context.Context) (any, error) { return errands.Get(ctx) })
		}
	},
})

func TestQueuesOfWhichAnyByteIsOverwritten(t *testing.T) { underAttack.Run(t, 1500) }

func TestQueuesUnderAHostilePeer(t *testing.T) { underAttack.Storm(t, 400) }
