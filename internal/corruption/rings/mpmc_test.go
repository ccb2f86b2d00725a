package rings_test

import (
	"context"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/ring"
)

var jobsUnderAttack = corruption.Register(corruption.Scene{
	Name:    "jobs",
	Moments: 3,
	Changes: []string{corruption.Jobs},
	Script: func(t *corruption.Trial) {
		t.Moment()
		m, ok := corruption.Find(t, t.Seg, ring.OpenMPMC[uint64], corruption.Jobs)
		if !ok {
			t.Moment()
			t.Moment()
			return
		}
		t.Moment()
		t.Do("len", func() (any, error) { return m.Len(), nil })
		t.Between("length", 0, m.Len(), corruption.Slots)
		t.Pass("pop", func(ctx context.Context) (any, error) { return m.Pop(ctx) })
		t.Moment()
		t.Do("try push", func() (any, error) { return m.TryPush(7) })
		t.Pass("push", func(ctx context.Context) (any, error) { return nil, m.Push(ctx, 8) })
		t.Pass("push 1", func(ctx context.Context) (any, error) { return m.PushN(ctx, []uint64{9}) })
		t.Do("try push to full", func() (any, error) { return m.TryPush(10) })
		t.Block("push to full", corruption.Jobs, func(ctx context.Context) (any, error) { return nil, m.Push(ctx, 10) })
		vs := make([]uint64, 3)
		t.Pass("pop 3", func(ctx context.Context) (any, error) {
			n, err := m.PopN(ctx, vs)
			t.Between("popped", 0, n, 3)
			return n, err
		})
		// Around the lanes, past the places where something special happens.
		t.Do("lap", func() (any, error) {
			n := 0
			for i := range uint64(3 * corruption.Slots) {
				ok, err := m.TryPush(11 + i)
				if err != nil {
					return nil, err
				}
				if ok {
					n++
				}
				if _, ok, err = m.TryPop(); err != nil {
					return nil, err
				}
				if ok {
					n++
				}
			}
			return n, nil
		})
		t.Do("rest", func() (any, error) {
			n := 0
			for range 5 * corruption.Slots {
				_, ok, err := m.TryPop()
				if err != nil {
					return nil, err
				}
				if !ok {
					break
				}
				n++
			}
			return n, nil
		})
		t.Block("pop of none", corruption.Jobs, func(ctx context.Context) (any, error) { return m.Pop(ctx) })
		t.Do("lost", func() (any, error) { return m.Lost(), nil })
		t.Do("close", func() (any, error) { return nil, m.Close() })
		t.Pass("pop of closed", func(ctx context.Context) (any, error) { return m.Pop(ctx) })
	},
})

func TestMPMCOfWhichAnyByteIsOverwritten(t *testing.T) { jobsUnderAttack.Run(t, 1500) }

func TestMPMCUnderAHostilePeer(t *testing.T) { jobsUnderAttack.Storm(t, 600) }
