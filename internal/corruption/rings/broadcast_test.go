package rings_test

import (
	"context"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/ring"
)

var newsUnderAttack = corruption.Register(corruption.Scene{
	Name:    "news",
	Moments: 3,
	Changes: []string{corruption.News},
	Script: func(t *corruption.Trial) {
		t.Moment()
		b, ok := corruption.Find(t, t.Seg, ring.OpenBroadcast[uint64], corruption.News)
		if !ok {
			t.Moment()
			t.Moment()
			return
		}
		t.Moment()
		subscribe := func(op string, opts ...ring.EndOption) (s *ring.Subscriber[uint64], ok bool) {
			ok = t.Do(op, func() (_ any, err error) {
				s, err = b.Subscribe(opts...)
				return nil, err
			})
			return s, ok
		}
		t.Do("bounds", func() (any, error) { oldest, next, err := b.Bounds(); return []uint64{oldest, next}, err })
		s, haveS := subscribe("subscribe", ring.FromOldest())
		hold, haveHold := subscribe("subscribe and hold", ring.FromSequence(4), ring.Blocking())
		subscribe("subscribe to what is gone", ring.FromSequence(1))
		var w *ring.BroadcastWriter[uint64]
		haveW := t.Do("write", func() (_ any, err error) { w, err = b.Writer(); return nil, err })
		t.Moment()
		if haveS {
			t.Pass("next", func(ctx context.Context) (any, error) { return s.Next(ctx) })
			t.Do("try next", func() (any, error) { v, ok, err := s.TryNext(); return []any{v, ok}, err })
			vs := make([]uint64, 2)
			t.Pass("next 2", func(ctx context.Context) (any, error) {
				n, err := s.NextN(ctx, vs)
				t.Between("read", 0, n, 2)
				return vs[:n], err
			})
			t.Do("behind", func() (any, error) { return s.Behind() })
		}
		if haveHold {
			t.Pass("next of who holds", func(ctx context.Context) (any, error) { return hold.Next(ctx) })
		}
		if haveW {
			t.Pass("push over what a dead one did not read", func(ctx context.Context) (any, error) { return nil, w.Push(ctx, 7) })
			t.Pass("push 2", func(ctx context.Context) (any, error) { return w.PushN(ctx, []uint64{8, 9}) })
			t.Do("try push to full", func() (any, error) { return w.TryPush(10) })
			t.Block("push to full", corruption.News, func(ctx context.Context) (any, error) { return nil, w.Push(ctx, 10) })
		}
		if haveS {
			t.Do("next of lapped", func() (any, error) { v, ok, err := s.TryNext(); return []any{v, ok}, err })
		}
		if haveHold && haveW {
			// Around the ring, past the places where something special happens.
			t.Do("lap", func() (any, error) {
				var sum uint64
				for i := range uint64(3 * corruption.Slots) {
					v, _, err := hold.TryNext()
					if err != nil {
						return nil, err
					}
					sum += v
					if _, err := w.TryPush(11 + i); err != nil {
						return nil, err
					}
				}
				return sum, nil
			})
			vs := make([]uint64, corruption.Slots)
			t.Pass("rest", func(ctx context.Context) (any, error) { n, err := hold.NextN(ctx, vs); return vs[:n], err })
		}
		if haveHold {
			t.Do("let go", func() (any, error) { return nil, hold.Close() })
		}
		if haveS {
			t.Do("all", func() (any, error) {
				var sum uint64
				for range 5 * corruption.Slots {
					v, ok, err := s.TryNext()
					if err != nil {
						return nil, err
					}
					if !ok {
						break
					}
					sum += v
				}
				return sum, nil
			})
			t.Block("next of none", corruption.News, func(ctx context.Context) (any, error) { return s.Next(ctx) })
		}
		if haveW {
			t.Do("close", func() (any, error) { return nil, w.Close() })
		}
		if haveS {
			t.Pass("next of closed", func(ctx context.Context) (any, error) { return s.Next(ctx) })
			t.Do("close subscriber", func() (any, error) { return nil, s.Close() })
		}
	},
})

func TestBroadcastOfWhichAnyByteIsOverwritten(t *testing.T) { newsUnderAttack.Run(t, 2000) }

func TestBroadcastUnderAHostilePeer(t *testing.T) { newsUnderAttack.Storm(t, 1000) }
