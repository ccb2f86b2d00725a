package crashcases

import (
	"strings"

	"github.com/kindred-ipc/kindred/internal/crashlab"
)

// closeCases are those of closing an end, and of saying that the other one is gone.
func closeCases() (all []crashlab.Case) {
	for _, o := range []operation{
		{name: "ring.Writer.Close", scene: scene{kind: ofValues, lead: 8, left: 3}, op: closeOut},
		{name: "ring.Writer.Close, the reader sleeps", scene: scene{kind: ofValues, lead: 8}, op: closeOut, waits: true},
		{name: "ring.Reader.Close", scene: scene{kind: ofValues, reads: true, lead: 8, left: 3}, op: closeIn},
		{name: "ring.Reader.Close, the writer sleeps", scene: scene{kind: ofValues, reads: true, lead: 8, left: 8}, op: closeIn, waits: true},
		{name: "ring.BytesWriter.Close", scene: scene{kind: ofRecords(nil), lead: 8, left: 3}, op: closeOut},
		{name: "ring.BytesWriter.Close, the reader sleeps", scene: scene{kind: ofRecords(nil), lead: 8}, op: closeOut, waits: true},
		{name: "ring.BytesReader.Close", scene: scene{kind: ofRecords(nil), reads: true, lead: 8, left: 3}, op: closeIn},
		{
			name:  "ring.BytesReader.Close, the writer sleeps",
			scene: scene{kind: ofRecords(fullOfRecords), reads: true, lead: 2, left: 2}, op: closeIn, waits: true,
		},
	} {
		o.scene.peer = 1
		operation, _, _ := strings.Cut(o.name, ",")
		all = append(all, crashlab.Case{
			Name: o.name, Covers: []string{operation}, States: []string{"open", "closed"},
			Play: func() crashlab.Play {
				l := o.scene.line()
				p := l.play(func(a *crashlab.Actor) error { return o.op(l, a) })
				p.Check = l.shut
				if o.waits {
					p.Wait = l.awaitOnce
				}
				return p
			},
		})
	}
	all = append(all, cases("pushed", []operation{{
		name: "ring.BytesWriter.PeerGone", covers: []string{"ring.BytesWriter.PeerGone"},
		scene: scene{kind: ofRecords(nil), lead: 4, left: 2},
		op: func(l *line, _ *crashlab.Actor) error {
			l.out.(recordWriter).PeerGone()
			return nil
		},
	}})...)
	return append(all, cases("popped", []operation{{
		name: "ring.BytesReader.PeerGone", covers: []string{"ring.BytesReader.PeerGone"},
		scene: scene{kind: ofRecords(nil), reads: true, lead: 4, left: 2},
		op: func(l *line, _ *crashlab.Actor) error {
			l.in.(recordReader).PeerGone()
			return nil
		},
	}})...)
}

func closeOut(l *line, _ *crashlab.Actor) error { return l.out.Close() }

func closeIn(l *line, _ *crashlab.Actor) error { return l.in.Close() }
