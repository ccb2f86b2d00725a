package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// broadcastRows measure a writer that waits for nobody, beside subscribers in processes of their own, which
// share the other CPU.
func broadcastRows() []Row {
	row := func(name, about, concurrency string, subscribers int, write announcement) Row {
		return Row{
			Name: "ring/broadcast/" + name, About: about,
			N: 10_000_000, Warm: 4_000_000, Often: 5, Capacity: 65_536,
			Place: TwoCPUs, Payload: "uint64, each that is read is checked, and what is missed is counted", Concurrency: concurrency,
			Ours: measureBroadcast(subscribers, write), Goal: 1, Reference: limit(10, "10 ns a record"),
		}
	}
	return []Row{
		row("1", "uint64s one by one to a subscriber that may be lapped", "1 writer, 1 subscriber", 1, announce),
		row("2", "the same to two, which share a CPU", "1 writer, 2 subscribers on one CPU", 2, announce),
		row("4", "the same to four, which share a CPU", "1 writer, 4 subscribers on one CPU", 4, announce),
		row("1/batch", "uint64s by PushN of 64 to a subscriber that may be lapped", "1 writer, 1 subscriber", 1, announceBatches),
		row("4/batch", "the same to four, which share a CPU", "1 writer, 4 subscribers on one CPU", 4, announceBatches),
	}
}

// An announcement is how n records are written, the first of which is first.
type announcement func(ctx context.Context, w *ring.BroadcastWriter[uint64], first, n uint64) error

// listeners are a pair with more than one peer.
type listeners struct {
	*pair
	others []*pair
}

// gather starts the peers, and returns when all have subscribed, which they say in a ring of their own.
func (c *listeners) gather(ctx context.Context, n int) error {
	for i := range n {
		p := c.pair
		if i > 0 {
			p = &pair{job: c.job, seg: c.seg}
			c.others = append(c.others, p)
		}
		if err := p.start(ctx, listener); err != nil {
			return err
		}
	}
	here, err := ring.OpenBroadcast[uint64](c.seg, "here")
	if err != nil {
		return err
	}
	s, err := here.Subscribe(ring.FromOldest())
	if err != nil {
		return err
	}
	for range n {
		if _, err := s.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// disperse ends the listeners.
func (c *listeners) disperse(ctx context.Context, err error) error {
	for _, p := range c.others {
		if err == nil {
			err = p.peer.Wait(ctx)
		}
		p.over.Store(true)
		err = errors.Join(err, p.peer.Close())
	}
	return c.finish(ctx, err)
}

func measureBroadcast(subscribers int, write announcement) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		p, err := newPair(j, ringBytes(2*j.Capacity)+64<<10)
		if err != nil {
			return 0, err
		}
		c := &listeners{pair: p}
		b, err := ring.NewBroadcast[uint64](p.seg, int(j.Capacity), shm.Named("news"))
		if err != nil {
			return 0, err
		}
		if _, err := ring.NewBroadcast[uint64](p.seg, 64, shm.Named("here")); err != nil {
			return 0, err
		}
		w, err := b.Writer()
		if err != nil {
			return 0, err
		}
		if err := c.gather(ctx, subscribers); err != nil {
			return 0, err
		}
		v, err := pinned(j.A, func() (float64, error) {
			if err := write(ctx, w, j.Salt, j.Warm); err != nil {
				return 0, err
			}
			begin := time.Now()
			err := write(ctx, w, j.Salt+j.Warm, j.N)
			return j.per(time.Since(begin)), err
		})
		if err == nil {
			err = w.Close()
		}
		return v, c.disperse(ctx, err)
	}
}

func announce(ctx context.Context, w *ring.BroadcastWriter[uint64], first, n uint64) error {
	for v := first; v != first+n; v++ {
		if err := w.Push(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func announceBatches(ctx context.Context, w *ring.BroadcastWriter[uint64], first, n uint64) error {
	return produceBatches(ctx, w, part{first: first, n: n}, new(uint64))
}

// listener reads until the stream ends. The value of a record is its sequence, with salt.
var listener = proc.Func("bench/ring/listener", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	b, err := ring.OpenBroadcast[uint64](seg, "news")
	if err != nil {
		return err
	}
	here, err := ring.OpenBroadcast[uint64](seg, "here")
	if err != nil {
		return err
	}
	_, err = pinned(j.B, func() (struct{}, error) {
		s, err := b.Subscribe(ring.FromSequence(0))
		if err != nil {
			return struct{}{}, err
		}
		w, err := here.Writer()
		if err == nil {
			err = w.Push(ctx, 1)
		}
		if err == nil {
			err = w.Leave()
		}
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, listen(ctx, s, j)
	})
	return err
})

// listen checks what it reads, and that it read or missed all there was.
func listen(ctx context.Context, s *ring.Subscriber[uint64], j Job) error {
	want := j.PeerSalt
	for {
		v, err := s.Next(ctx)
		if err == nil {
			expect(v, want, "subscriber")
			want++
			continue
		}
		var lapped *ring.Lapped
		if errors.As(err, &lapped) {
			want += lapped.Missed
			continue
		}
		if n := want - j.PeerSalt; !errors.Is(err, ring.ErrClosed) || n != j.Warm+j.N {
			return fmt.Errorf("read and missed %d of %d records: %w", n, j.Warm+j.N, err)
		}
		return nil
	}
}
