package crashcases

import (
	"errors"
	"fmt"
	"io"

	"github.com/kindred-ipc/kindred/internal/crashlab"
)

// counted is an error if fewer than n items were handled.
func counted(n int) func(int, error) error {
	return func(done int, err error) error {
		if err == nil && done != n {
			err = fmt.Errorf("%d items, and not %d", done, n)
		}
		return err
	}
}

// must is an error if a Try did nothing.
func must(ok bool, err error) error {
	if err == nil && !ok {
		err = fmt.Errorf("refused")
	}
	return err
}

func pop(l *line, a *crashlab.Actor) error {
	_, err := l.in.(valueReader).Pop(a.Ctx)
	return err
}

func tryPop(l *line, _ *crashlab.Actor) error {
	_, ok, err := l.in.(valueReader).TryPop()
	return must(ok, err)
}

func popN(l *line, a *crashlab.Actor) error {
	return counted(l.does)(l.in.(valueReader).PopN(a.Ctx, make([]item, l.does)))
}

func popAll(l *line, a *crashlab.Actor) error {
	n := 0
	for _, err := range l.in.(valueReader).All(a.Ctx) {
		if err != nil {
			return err
		}
		if n++; n == l.does {
			break
		}
	}
	return counted(l.does)(n, nil)
}

// peekRun reads items in place, and takes those that it is to take.
func peekRun(l *line, a *crashlab.Actor) error {
	r := l.in.(valueReader).Reader
	run, err := r.Peek(a.Ctx, l.does+1)
	if err == nil && run.Len() >= l.does {
		r.Release(l.does)
		return nil
	}
	return counted(l.does)(run.Len(), err)
}

func tryPeekRun(l *line, _ *crashlab.Actor) error {
	r := l.in.(valueReader).Reader
	run, err := r.TryPeek(l.does)
	if err == nil && run.Len() == l.does {
		r.Release(l.does)
	}
	return counted(l.does)(run.Len(), err)
}

func takeAndPeek(l *line, a *crashlab.Actor) error {
	if err := l.take(); err != nil {
		return late(err)
	}
	return peekRun(l, a)
}

func takeAndPop(l *line, a *crashlab.Actor) error {
	if err := l.take(); err != nil {
		return late(err)
	}
	_, err := l.in.pop(a.Ctx)
	return err
}

func release(l *line, a *crashlab.Actor) error {
	_, err := l.in.(recordReader).pop(a.Ctx)
	return err
}

func tryRelease(l *line, _ *crashlab.Actor) error {
	_, ok, err := l.in.(recordReader).tryPop()
	return must(ok, err)
}

// releaseUnless takes a record, and would see something else, if that came.
func releaseUnless(l *line, a *crashlab.Actor) error {
	r := l.in.(recordReader).BytesReader
	_, err := r.PeekUnless(a.Ctx, func() bool { return false })
	if err == nil {
		r.Release()
	}
	return err
}

// releaseN looks at several records, and takes some of them.
func releaseN(l *line, a *crashlab.Actor) error {
	r := l.in.(recordReader).BytesReader
	records := make([][]byte, l.does+1)
	n, err := r.PeekN(a.Ctx, records)
	if err == nil && n >= l.does {
		r.ReleaseN(l.does)
		return nil
	}
	return counted(l.does)(n, err)
}

// drink reads one item of a stream, by bits.
func drink(l *line, a *crashlab.Actor) error {
	r := l.in.(recordReader).Stream(a.Ctx)
	var b [itemSize]byte
	if _, err := r.Read(b[:3]); err != nil {
		return err
	}
	_, err := io.ReadFull(r, b[3:])
	return err
}

// pail holds one item.
type pail struct{}

var errFull = errors.New("full")

func (pail) Write(b []byte) (int, error) { return len(b), errFull }

func drinkTo(l *line, a *crashlab.Actor) error {
	_, err := l.in.(recordReader).Stream(a.Ctx).WriteTo(pail{})
	if errors.Is(err, errFull) {
		return nil
	}
	return err
}

func readCases() []crashlab.Case {
	pop1 := []string{"ring.Reader.Pop"}
	peek := []string{"ring.BytesReader.Peek", "ring.BytesReader.Release"}
	few := scene{kind: ofValues, reads: true, lead: 8, left: 4, first: 1, does: 1}
	told := few
	told.told = true
	more := scene{kind: ofMore, reads: true, lead: 13, left: 11, first: 2, does: 1}
	moreTold := more
	moreTold.told = true
	full := scene{kind: ofValues, reads: true, lead: 11, left: 8, does: 1}
	batch := scene{kind: ofValues, reads: true, lead: 12, left: 7, first: 1, does: 3}
	empty := scene{kind: ofValues, reads: true, lead: 8, left: 0, does: 1}
	run := []string{"ring.Reader.Peek", "ring.Reader.Release"}
	fullRun := full
	fullRun.does = 3
	bytes := scene{kind: ofRecords(nil), reads: true, lead: 6, left: 4, first: 1, does: 1}
	several := bytes
	several.does = 2
	bytesTold := scene{kind: ofRecords(fullOfRecords), reads: true, lead: 2, left: 2, does: 1, told: true}
	return cases("popped", []operation{
		{name: "ring.Reader.Pop", covers: pop1, scene: few, op: pop},
		{name: "ring.Reader.Pop, the writer is told", covers: pop1, scene: told, op: pop},
		{name: "ring.Reader.Pop, of what was read ahead", covers: pop1, scene: more, op: pop},
		{name: "ring.Reader.Pop, of what was read ahead, the writer is told", covers: pop1, scene: moreTold, op: pop},
		{name: "ring.Reader.Pop, the writer sleeps", covers: pop1, scene: full, op: pop, waits: true},
		{name: "ring.Reader.Pop, blocked", covers: pop1, scene: empty, op: pop, blocks: true},
		{
			name: "ring.Reader.Pop, not registered", covers: pop1,
			scene: scene{kind: ofValues, reads: true, lead: 8, left: 4, takes: true, does: 1}, op: takeAndPop,
		},
		{name: "ring.Reader.TryPop", covers: []string{"ring.Reader.TryPop"}, scene: few, op: tryPop},
		{name: "ring.Reader.TryPop, the writer sleeps", covers: []string{"ring.Reader.TryPop"}, scene: full, op: tryPop, waits: true},
		{name: "ring.Reader.PopN, across the end", covers: []string{"ring.Reader.PopN"}, scene: batch, op: popN},
		{name: "ring.Reader.All, across the end", covers: []string{"ring.Reader.All"}, scene: batch, op: popAll},
		{name: "ring.Reader.Release, across the end", covers: run, scene: batch, op: peekRun},
		{name: "ring.Reader.Release, the writer sleeps", covers: run, scene: fullRun, op: peekRun, waits: true},
		{name: "ring.Reader.Peek, blocked", covers: run, scene: empty, op: peekRun, blocks: true},
		{
			name: "ring.Reader.Release, not registered", covers: run,
			scene: scene{kind: ofValues, reads: true, lead: 8, left: 4, takes: true, does: 2}, op: takeAndPeek,
		},
		{name: "ring.Reader.TryPeek", covers: []string{"ring.Reader.TryPeek"}, scene: batch, op: tryPeekRun},
		{name: "ring.BytesReader.Release", covers: peek, scene: bytes, op: release},
		{name: "ring.BytesReader.Release, the writer is told", covers: peek, scene: bytesTold, op: release},
		{
			name: "ring.BytesReader.Release, the writer sleeps", covers: peek,
			scene: scene{kind: ofRecords(fullOfRecords), reads: true, lead: 2, left: 2, does: 1}, op: release, waits: true,
		},
		{name: "ring.BytesReader.ReleaseN", covers: []string{"ring.BytesReader.PeekN", "ring.BytesReader.ReleaseN"}, scene: several, op: releaseN},
		{name: "ring.StreamReader.Read", covers: []string{"ring.StreamReader.Read"}, scene: bytes, op: drink},
		{name: "ring.StreamReader.WriteTo", covers: []string{"ring.StreamReader.WriteTo"}, scene: bytes, op: drinkTo},
		{
			name: "ring.BytesReader.Peek, blocked", covers: peek,
			scene: scene{kind: ofRecords(nil), reads: true, lead: 4, does: 1}, op: release, blocks: true,
		},
		{
			name: "ring.BytesReader.PeekUnless, blocked", covers: []string{"ring.BytesReader.PeekUnless"},
			scene: scene{kind: ofRecords(nil), reads: true, lead: 4, does: 1}, op: releaseUnless, blocks: true,
		},
		{
			name: "ring.BytesReader.Release, not registered", covers: peek,
			scene: scene{kind: ofRecords(nil), reads: true, lead: 4, left: 2, takes: true, does: 1}, op: takeAndPop,
		},
		{
			name: "ring.BytesReader.TryPeek", covers: []string{"ring.BytesReader.TryPeek", "ring.BytesReader.Release"},
			scene: bytes, op: tryRelease,
		},
	})
}
