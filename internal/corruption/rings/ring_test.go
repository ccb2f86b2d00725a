package rings_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/ring"
)

// Whatever a hostile peer writes, a value or record of the ring is read, or there is none, and nothing
// outside of the ring is touched.

var valuesUnderAttack = corruption.Register(corruption.Scene{
	Name:    "values",
	Peer:    pushOrPop,
	Moments: 3,
	Changes: []string{corruption.Ticks, corruption.Inbox, corruption.Outbox},
	Script: func(t *corruption.Trial) {
		t.Moment()
		ticks, haveTicks := corruption.Find(t, t.Seg, ring.OpenSPSC[uint64], corruption.Ticks)
		inbox, haveInbox := corruption.Find(t, t.Seg, ring.OpenSPSC[uint64], corruption.Inbox)
		outbox, haveOutbox := corruption.Find(t, t.Seg, ring.OpenSPSC[uint64], corruption.Outbox)
		t.Moment()
		var w *ring.Writer[uint64]
		var in *ring.Reader[uint64]
		if haveTicks {
			t.Do("len of ticks", func() (any, error) { return ticks.Len(), nil })
			t.Between("length", 0, ticks.Len(), ticks.Cap())
			if !t.Do("write ticks", func() (_ any, err error) { w, err = ticks.Writer(); return nil, err }) {
				w = nil
			}
			if !t.Do("read ticks", func() (_ any, err error) { in, err = ticks.Reader(); return nil, err }) {
				in = nil
			}
		}
		t.Moment()
		if w != nil {
			t.Pass("push", func(ctx context.Context) (any, error) { return nil, w.Push(ctx, 9) })
			t.Do("reserve", func() (any, error) {
				run, err := w.TryReserve(2)
				if run.Len() == 2 {
					*run.At(0), *run.At(1) = 7, 8
					w.Commit(1)
				}
				return run.Len(), err
			})
			t.Do("try push", func() (any, error) { return w.TryPush(10) })
			t.Between("length", 0, w.Len(), w.Cap())
			t.Block("push to full", corruption.Ticks, func(ctx context.Context) (any, error) { return nil, w.Push(ctx, 11) })
		}
		if in != nil {
			t.Between("length", 0, in.Len(), in.Cap())
			t.Pass("pop", func(ctx context.Context) (any, error) { return in.Pop(ctx) })
			t.Do("try pop", func() (any, error) { v, ok, err := in.TryPop(); return []any{v, ok}, err })
			vs := make([]uint64, 3)
			t.Pass("pop 3", func(ctx context.Context) (any, error) { n, err := in.PopN(ctx, vs); return vs[:n], err })
			t.Do("peek", func() (any, error) {
				run, err := in.TryPeek(corruption.Slots)
				var sum uint64
				for i := range run.Len() {
					sum += *run.At(i)
				}
				in.Release(run.Len())
				return sum, err
			})
			t.Block("pop of none", corruption.Ticks, func(ctx context.Context) (any, error) { return in.Pop(ctx) })
		}
		if w != nil && in != nil {
			// Around the ring, past the places where something special happens.
			t.Do("lap", func() (any, error) {
				var sum uint64
				for i := range uint64(3 * corruption.Slots) {
					if _, err := w.TryPush(i); err != nil {
						return nil, err
					}
					v, _, err := in.TryPop()
					if err != nil {
						return nil, err
					}
					sum += v
				}
				return sum, nil
			})
		}
		if w != nil {
			t.Do("close writer", func() (any, error) { return nil, w.Close() })
		}
		if in != nil {
			t.Pass("pop of closed", func(ctx context.Context) (any, error) { return in.Pop(ctx) })
			t.Do("close reader", func() (any, error) { return nil, in.Close() })
		}
		if haveInbox {
			t.Do("write inbox", func() (any, error) { _, err := inbox.Writer(); return nil, err })
			if t.Do("read inbox", func() (_ any, err error) { in, err = inbox.Reader(); return nil, err }) {
				t.Pass("pop 1 of inbox", func(ctx context.Context) (any, error) { return in.Pop(ctx) })
				t.Pass("pop 2 of inbox", func(ctx context.Context) (any, error) { return in.Pop(ctx) })
				t.Block("pop 3 of inbox", corruption.Inbox, func(ctx context.Context) (any, error) { return in.Pop(ctx) })
				t.Do("close inbox", func() (any, error) { return nil, in.Close() })
			}
		}
		if haveOutbox {
			if t.Do("write outbox", func() (_ any, err error) { w, err = outbox.Writer(); return nil, err }) {
				t.Pass("push 2 to outbox", func(ctx context.Context) (any, error) { return w.PushN(ctx, []uint64{3, 4}) })
				t.Block("push to full outbox", corruption.Outbox, func(ctx context.Context) (any, error) { return nil, w.Push(ctx, 5) })
				t.Do("close outbox", func() (any, error) { return nil, w.Close() })
			}
		}
	},
})

// pushOrPop is one end of a ring, taken once and used until there is an error.
func pushOrPop(t *corruption.Trial) {
	if t.Keep == nil {
		t.Do("take end", func() (any, error) {
			r, err := ring.OpenSPSC[uint64](t.Seg, corruption.Ticks)
			if err != nil {
				return nil, err
			}
			var end any
			if t.Role == 0 {
				end, err = r.Writer()
			} else {
				end, err = r.Reader()
			}
			if err == nil {
				t.Keep = end
			}
			return nil, err
		})
	}
	use := func(ctx context.Context) (any, error) { return nil, nil }
	switch end := t.Keep.(type) {
	case *ring.Writer[uint64]:
		t.Between("length", 0, end.Len(), end.Cap())
		use = func(ctx context.Context) (any, error) { return end.PushN(ctx, []uint64{1, 2, 3, 4, 5}) }
	case *ring.Reader[uint64]:
		t.Between("length", 0, end.Len(), end.Cap())
		use = func(ctx context.Context) (any, error) { return end.PopN(ctx, make([]uint64, 3)) }
	}
	var err error
	t.Pass("use end", func(ctx context.Context) (v any, _ error) { v, err = use(ctx); return v, err })
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Keep = nil
	}
}

func TestRingOfValuesOfWhichAnyByteIsOverwritten(t *testing.T) { valuesUnderAttack.Run(t, 2000) }

func TestRingOfValuesUnderAHostilePeer(t *testing.T) { valuesUnderAttack.Storm(t, 2000) }

var recordsUnderAttack = corruption.Register(corruption.Scene{
	Name:    "records",
	Peer:    writeOrTake,
	Moments: 3,
	Changes: []string{corruption.Log, corruption.Post, corruption.Mail},
	Script: func(t *corruption.Trial) {
		t.Moment()
		open := func(name string) (b *ring.Bytes, ok bool) {
			t.Guard()
			b, ok = corruption.Find(t, t.Seg, ring.OpenBytes, name)
			t.Guard()
			return b, ok
		}
		log, haveLog := open(corruption.Log)
		post, havePost := open(corruption.Post)
		mail, haveMail := open(corruption.Mail)
		t.Moment()
		var w *ring.BytesWriter
		var in *ring.BytesReader
		if haveLog {
			t.Do("len of log", func() (any, error) {
				n, err := log.Len()
				t.Between("length", 0, n, log.Cap()+16)
				return n, err
			})
			if !t.Do("write log", func() (_ any, err error) { w, err = log.Writer(); return nil, err }) {
				w = nil
			}
			if !t.Do("read log", func() (_ any, err error) { in, err = log.Reader(); return nil, err }) {
				in = nil
			}
		}
		t.Moment()
		if w != nil {
			t.Pass("write", func(ctx context.Context) (any, error) { return nil, put(ctx, w, "fourth") })
			t.Do("try too much", func() (any, error) { b, err := w.TryReserve(log.Cap()); return b != nil, err })
			t.Do("try more", func() (any, error) { _, err := w.TryReserve(log.Cap() + 1); return nil, err })
			t.Block("write too much", corruption.Log, func(ctx context.Context) (any, error) { _, err := w.Reserve(ctx, log.Cap()); return nil, err })
		}
		if in != nil {
			for _, which := range append(corruption.Texts, "fourth") {
				t.Pass("take "+which, func(ctx context.Context) (any, error) { return take(ctx, t, in) })
			}
			records := make([][]byte, 3)
			t.Pass("look at many", func(ctx context.Context) (any, error) {
				b, err := in.TryPeek()
				if b == nil || err != nil {
					return b != nil, err
				}
				n, err := in.PeekN(ctx, records)
				sum := 0
				for _, b := range records[:n] {
					t.Between("length of a record", 0, len(b), 64<<10-16)
					for _, c := range b {
						sum += int(c)
					}
				}
				return sum, err
			})
			t.Do("try none", func() (any, error) { b, err := in.TryPeek(); return b != nil, err })
			t.Block("take none", corruption.Log, func(ctx context.Context) (any, error) { return take(ctx, t, in) })
		}
		if w != nil && in != nil {
			// Twice around the ring.
			t.Do("laps", func() (any, error) {
				sum := 0
				for i := range 9 {
					b, err := w.TryReserve(log.Cap()/4 - i)
					if err != nil {
						return nil, err
					}
					if b != nil {
						clear(b)
						w.Commit(len(b))
					}
					if b, err = in.TryPeek(); err != nil {
						return nil, err
					}
					sum += len(b)
					in.Release()
				}
				return sum, nil
			})
		}
		if w != nil {
			t.Do("close writer", func() (any, error) { return nil, w.Close() })
		}
		if in != nil {
			t.Pass("take of closed", func(ctx context.Context) (any, error) { return take(ctx, t, in) })
			t.Do("close reader", func() (any, error) { return nil, in.Close() })
		}
		if havePost {
			t.Do("write post", func() (any, error) { _, err := post.Writer(); return nil, err })
			if t.Do("read post", func() (_ any, err error) { in, err = post.Reader(); return nil, err }) {
				t.Pass("take 1 of post", func(ctx context.Context) (any, error) { return take(ctx, t, in) })
				t.Pass("take 2 of post", func(ctx context.Context) (any, error) { return take(ctx, t, in) })
				t.Block("take 3 of post", corruption.Post, func(ctx context.Context) (any, error) { return take(ctx, t, in) })
				t.Do("close post", func() (any, error) { return nil, in.Close() })
			}
		}
		if haveMail {
			if t.Do("write mail", func() (_ any, err error) { w, err = mail.Writer(); return nil, err }) {
				t.Pass("write to mail", func(ctx context.Context) (any, error) { return nil, put(ctx, w, "three") })
				t.Block("write too much to mail", corruption.Mail, func(ctx context.Context) (any, error) { _, err := w.Reserve(ctx, mail.Cap()); return nil, err })
				t.Do("close mail", func() (any, error) { return nil, w.Close() })
			}
		}
	},
})

func put(ctx context.Context, w *ring.BytesWriter, text string) error {
	b, err := w.Reserve(ctx, len(text))
	if err == nil {
		w.Commit(copy(b, text))
	}
	return err
}

// take is the next record, which is read to its last byte.
func take(ctx context.Context, t *corruption.Trial, in *ring.BytesReader) (string, error) {
	b, err := in.Peek(ctx)
	t.Between("length of a record", 0, len(b), 64<<10-16)
	text := string(b)
	if err == nil {
		in.Release()
	}
	if len(text) > 100 {
		text = text[:100]
	}
	return text, err
}

// writeOrTake is one end of a ring, taken once and used until there is an error.
func writeOrTake(t *corruption.Trial) {
	if t.Keep == nil {
		t.Do("take end", func() (any, error) {
			b, err := ring.OpenBytes(t.Seg, corruption.Log)
			if err != nil {
				return nil, err
			}
			var end any
			if t.Role == 0 {
				end, err = b.Writer()
			} else {
				end, err = b.Reader()
			}
			if err == nil {
				t.Keep = end
			}
			return nil, err
		})
	}
	use := func(ctx context.Context) (any, error) { return nil, nil }
	switch end := t.Keep.(type) {
	case *ring.BytesWriter:
		use = func(ctx context.Context) (any, error) { return nil, put(ctx, end, "a record") }
	case *ring.BytesReader:
		use = func(ctx context.Context) (any, error) { return take(ctx, t, end) }
	}
	var err error
	t.Pass("use end", func(ctx context.Context) (v any, _ error) { v, err = use(ctx); return v, err })
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Keep = nil
	}
}

func TestRingOfBytesOfWhichAnyByteIsOverwritten(t *testing.T) { recordsUnderAttack.Run(t, 2000) }

func TestRingOfBytesUnderAHostilePeer(t *testing.T) { recordsUnderAttack.Storm(t, 2000) }
