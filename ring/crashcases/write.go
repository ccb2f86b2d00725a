package crashcases

import (
	"bytes"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
)

// operation is one of the victim's, at an end that it has.
type operation struct {
	name   string
	covers []string
	scene  scene
	op     func(l *line, a *crashlab.Actor) error
	// waits: the one at the other end sleeps. blocks: the operation sleeps until he does something.
	waits, blocks bool
}

// cases are those of operations, in which done happens to items.
func cases(done string, all []operation) (some []crashlab.Case) {
	for _, o := range all {
		if !o.blocks {
			o.scene.peer = 1 // who waits is survivor 1; who helps is survivor 0
		}
		some = append(some, crashlab.Case{
			Name: o.name, Covers: o.covers, States: stages(o.scene.does, done),
			Play: func() crashlab.Play {
				l := o.scene.line()
				p := l.play(func(a *crashlab.Actor) error { return o.op(l, a) })
				p.Check = l.progress(done)
				if o.waits {
					p.Wait = l.awaitOnce
				}
				if o.blocks {
					p.Unblock = l.await
				}
				return p
			},
		})
	}
	return some
}

// The items that the victim pushes are numbered from the first.
func (l *line) pushes(n int) (all []item) {
	for i := range n {
		all = append(all, item{Number: uint64(l.first + i + 1), By: byVictim})
	}
	return all
}

func push(l *line, a *crashlab.Actor) error {
	return l.out.(valueWriter).Push(a.Ctx, item{Number: uint64(l.first + 1), By: byVictim})
}

func tryPush(l *line, _ *crashlab.Actor) error {
	return must(l.out.(valueWriter).TryPush(item{Number: uint64(l.first + 1), By: byVictim}))
}

func pushN(l *line, a *crashlab.Actor) error {
	return counted(l.does)(l.out.(valueWriter).PushN(a.Ctx, l.pushes(l.does)))
}

// pushRecords writes records of a batch.
func pushRecords(l *line, a *crashlab.Actor) error {
	var records [][]byte
	for _, i := range l.pushes(l.does) {
		b := make([]byte, itemSize)
		i.encode(b)
		records = append(records, b)
	}
	return counted(l.does)(l.out.(recordWriter).PushN(a.Ctx, records))
}

// knock has the reader look for something that is not there, and then pushes.
func knock(l *line, a *crashlab.Actor) error {
	l.out.(recordWriter).Knock()
	return reserve(l, a)
}

// reserveRun writes items in place. One reservation is given up before.
func reserveRun(l *line, a *crashlab.Actor) error {
	w := l.out.(valueWriter).Writer
	run, err := w.Reserve(a.Ctx, l.does)
	if err != nil {
		return err
	}
	*run.At(0) = item{Number: 99, By: byVictim}
	if run, err = w.Reserve(a.Ctx, l.does); err != nil {
		return err
	}
	return l.commit(run)
}

func tryReserveRun(l *line, _ *crashlab.Actor) error {
	run, err := l.out.(valueWriter).TryReserve(l.does)
	if err := must(run.Len() > 0, err); err != nil {
		return err
	}
	return l.commit(run)
}

// commit fills a run with the victim's items, and publishes them.
func (l *line) commit(run ring.Run[item]) error {
	for i, it := range l.pushes(run.Len()) {
		*run.At(i) = it
	}
	l.out.(valueWriter).Commit(run.Len())
	return nil
}

func takeAndReserve(l *line, a *crashlab.Actor) error {
	if err := l.take(); err != nil {
		return late(err)
	}
	return reserveRun(l, a)
}

func takeAndPush(l *line, a *crashlab.Actor) error {
	if err := l.take(); err != nil {
		return late(err)
	}
	return l.out.push(a.Ctx, item{Number: 1, By: byVictim})
}

func reserve(l *line, a *crashlab.Actor) error {
	return l.out.(recordWriter).push(a.Ctx, item{Number: uint64(l.first + 1), By: byVictim})
}

func tryReserve(l *line, _ *crashlab.Actor) error {
	return must(l.out.(recordWriter).tryPush(item{Number: uint64(l.first + 1), By: byVictim}))
}

// longItem is a record that is copied in one instruction, and whose bytes begin at a line.
const longItem = 1088

func (l *line) longRecord() []byte {
	record := make([]byte, longItem)
	item{Number: uint64(l.first + 1), By: byVictim}.encode(record)
	return record
}

func pushRecord(l *line, a *crashlab.Actor) error {
	return l.out.(recordWriter).Push(a.Ctx, l.longRecord())
}

func tryPushRecord(l *line, _ *crashlab.Actor) error {
	return must(l.out.(recordWriter).TryPush(l.bytesOf()))
}

// reserveTwice gives up one reservation, and commits less than all of the next.
func reserveTwice(l *line, a *crashlab.Actor) error {
	w := l.out.(recordWriter).BytesWriter
	record, err := w.Reserve(a.Ctx, 5*itemSize)
	if err != nil {
		return err
	}
	item{Number: 99, By: byVictim}.encode(record)
	if record, err = w.Reserve(a.Ctx, 3*itemSize); err != nil {
		return err
	}
	item{Number: uint64(l.first + 1), By: byVictim}.encode(record)
	w.Commit(itemSize)
	return nil
}

// appended makes records that one publish makes visible, by Flush or by the Commit of the last.
func appended(flush bool) func(l *line, a *crashlab.Actor) error {
	return func(l *line, a *crashlab.Actor) error {
		w := l.out.(recordWriter).BytesWriter
		items := l.pushes(l.does)
		for n, i := range items {
			record, err := w.Reserve(a.Ctx, itemSize)
			if err != nil {
				return err
			}
			i.encode(record)
			if n < len(items)-1 || flush {
				w.Append(itemSize)
			} else {
				w.Commit(itemSize)
			}
		}
		w.Flush()
		return nil
	}
}

// bytesOf is what the victim writes in a stream.
func (l *line) bytesOf() []byte {
	all := make([]byte, 0, itemSize*l.does)
	for _, i := range l.pushes(l.does) {
		var b [itemSize]byte
		i.encode(b[:])
		all = append(all, b[:]...)
	}
	return all
}

// pour writes one item in a stream.
func pour(l *line, a *crashlab.Actor) error {
	_, err := l.out.(recordWriter).Stream(a.Ctx).Write(l.bytesOf())
	return err
}

func pourString(l *line, a *crashlab.Actor) error {
	_, err := l.out.(recordWriter).Stream(a.Ctx).WriteString(string(l.bytesOf()))
	return err
}

func pourFrom(l *line, a *crashlab.Actor) error {
	_, err := l.out.(recordWriter).Stream(a.Ctx).ReadFrom(bytes.NewReader(l.bytesOf()))
	return err
}

// Records as long as these fill the ring but for 16 bytes, and end 16 bytes before its end.
var (
	fullOfRecords = map[uint64]int{1: 1<<15 - 64, 2: 1<<15 - 80}                       // their bytes begin at lines
	almostFull    = map[uint64]int{1: 1<<15 - 64, 2: 1<<15 - 80 - 2*(itemSize+8) + 56} // room for two
	atTheEnd      = map[uint64]int{1: 1<<16 - 24}
)

func writeCases() []crashlab.Case {
	push1 := []string{"ring.Writer.Push"}
	try1 := []string{"ring.Writer.TryPush"}
	commit := []string{"ring.BytesWriter.Reserve", "ring.BytesWriter.Commit"}
	tryCommit := []string{"ring.BytesWriter.TryReserve", "ring.BytesWriter.Commit"}
	small := scene{kind: ofValues, lead: 8, left: 0, first: 1, does: 1}
	told := small
	told.told, told.left = true, 2
	slow := small
	slow.first = 0
	batch := scene{kind: ofValues, lead: 8, left: 1, first: 1, does: 3}
	wrap := scene{kind: ofValues, lead: 13, left: 2, first: 1, does: 3}
	full := scene{kind: ofValues, lead: 11, left: 8, does: 1}
	record := scene{kind: ofRecords(nil), lead: 4, left: 1, first: 1, does: 1}
	bytesTold := record
	bytesTold.told = true
	bytesSleep := record
	bytesSleep.left, bytesSleep.first = 0, 0
	appends := []string{"ring.BytesWriter.Append", "ring.BytesWriter.Flush"}
	some := record
	some.does = 3
	pushes := []string{"ring.BytesWriter.PushN"}
	lot := record
	lot.does = 4096/(itemSize+8) + 1 // of which each takes a header more
	someSleep := bytesSleep
	someSleep.does = 3
	sleep := slow
	runSleep := scene{kind: ofValues, lead: 8, does: 2}
	run := []string{"ring.Writer.Reserve", "ring.Writer.Commit"}
	unregistered := scene{kind: ofValues, lead: 8, left: 1, takes: true, does: 1}
	bytesUnregistered := scene{kind: ofRecords(nil), lead: 4, left: 1, takes: true, does: 1}
	return cases("pushed", []operation{
		{name: "ring.Writer.Push", covers: push1, scene: small, op: push},
		{name: "ring.Writer.Push, first", covers: push1, scene: slow, op: push},
		{name: "ring.Writer.Push, the reader is told", covers: push1, scene: told, op: push},
		{name: "ring.Writer.Push, the reader sleeps", covers: push1, scene: sleep, op: push, waits: true},
		{name: "ring.Writer.Push, blocked", covers: push1, scene: full, op: push, blocks: true},
		{name: "ring.Writer.Push, not registered", covers: push1, scene: unregistered, op: takeAndPush},
		{name: "ring.Writer.TryPush", covers: try1, scene: small, op: tryPush},
		{name: "ring.Writer.TryPush, the reader sleeps", covers: try1, scene: sleep, op: tryPush, waits: true},
		{name: "ring.Writer.PushN", covers: []string{"ring.Writer.PushN"}, scene: batch, op: pushN},
		{name: "ring.Writer.PushN, across the end", covers: []string{"ring.Writer.PushN"}, scene: wrap, op: pushN},
		{
			name: "ring.Writer.PushN, blocked in the middle", covers: []string{"ring.Writer.PushN"},
			scene: scene{kind: ofValues, lead: 11, left: 6, does: 3}, op: pushN, blocks: true,
		},
		{name: "ring.Writer.Commit", covers: run, scene: batch, op: reserveRun},
		{name: "ring.Writer.Commit, the reader sleeps", covers: run, scene: runSleep, op: reserveRun, waits: true},
		{name: "ring.Writer.Commit, across the end", covers: run, scene: wrap, op: reserveRun},
		{
			name: "ring.Writer.Commit, not registered", covers: run,
			scene: scene{kind: ofValues, lead: 8, left: 1, takes: true, does: 2}, op: takeAndReserve,
		},
		{
			name: "ring.Writer.Reserve, blocked", covers: run,
			scene: scene{kind: ofValues, lead: 11, left: 6, does: 3}, op: reserveRun, blocks: true,
		},
		{name: "ring.Writer.TryReserve", covers: []string{"ring.Writer.TryReserve"}, scene: batch, op: tryReserveRun},
		{name: "ring.BytesWriter.Commit", covers: commit, scene: record, op: reserve},
		{name: "ring.BytesWriter.Commit, the reader is told", covers: commit, scene: bytesTold, op: reserve},
		{name: "ring.BytesWriter.Commit, the reader sleeps", covers: commit, scene: bytesSleep, op: reserve, waits: true},
		{name: "ring.BytesWriter.Commit, less than was reserved", covers: commit, scene: record, op: reserveTwice},
		{
			name: "ring.BytesWriter.Commit, across the end", covers: commit,
			scene: scene{kind: ofRecords(atTheEnd), lead: 1, does: 1}, op: reserve,
		},
		{name: "ring.BytesWriter.Commit, not registered", covers: commit, scene: bytesUnregistered, op: takeAndPush},
		{
			name: "ring.BytesWriter.Reserve, blocked", covers: commit,
			scene: scene{kind: ofRecords(fullOfRecords), lead: 2, left: 2, does: 1}, op: reserve, blocks: true,
		},
		{name: "ring.BytesWriter.Flush", covers: appends, scene: some, op: appended(true)},
		{name: "ring.BytesWriter.Append, and Commit", covers: appends, scene: some, op: appended(false)},
		{name: "ring.BytesWriter.Flush, the reader sleeps", covers: appends, scene: someSleep, op: appended(true), waits: true},
		{name: "ring.BytesWriter.Knock, the reader sleeps", covers: []string{"ring.BytesWriter.Knock"}, scene: bytesSleep, op: knock, waits: true},
		{name: "ring.BytesWriter.Push", covers: []string{"ring.BytesWriter.Push"}, scene: record, op: pushRecord},
		{name: "ring.BytesWriter.PushN", covers: pushes, scene: some, op: pushRecords},
		{name: "ring.BytesWriter.PushN, past the caches", covers: pushes, scene: lot, op: pushRecords},
		{name: "ring.BytesWriter.PushN, the reader sleeps", covers: pushes, scene: someSleep, op: pushRecords, waits: true},
		{
			name: "ring.BytesWriter.PushN, blocked in the middle", covers: pushes,
			scene: scene{kind: ofRecords(almostFull), lead: 2, left: 2, does: 3}, op: pushRecords, blocks: true,
		},
		{name: "ring.BytesWriter.TryPush", covers: []string{"ring.BytesWriter.TryPush"}, scene: record, op: tryPushRecord},
		{name: "ring.StreamWriter.Write", covers: []string{"ring.StreamWriter.Write"}, scene: record, op: pour},
		{name: "ring.StreamWriter.WriteString", covers: []string{"ring.StreamWriter.WriteString"}, scene: record, op: pourString},
		{name: "ring.StreamWriter.ReadFrom", covers: []string{"ring.StreamWriter.ReadFrom"}, scene: record, op: pourFrom},
		{name: "ring.BytesWriter.TryReserve", covers: tryCommit, scene: record, op: tryReserve},
	})
}
