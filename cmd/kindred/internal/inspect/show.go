package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// ShowSynopsis is the line of show in the tool's list of commands.
const ShowSynopsis = "show a segment's header, participants and objects with their state"

// report is all that show tells.
type report struct {
	Name         string                `json:"name"`
	ID           string                `json:"id"`
	Version      int                   `json:"version"`
	Layout       string                `json:"layout"`
	Size         int64                 `json:"size"`
	Used         uint64                `json:"used"`
	Committed    uint64                `json:"committed"`
	Created      time.Time             `json:"created"`
	Creator      int                   `json:"creator"`
	Slots        int                   `json:"slots"`
	Swept        uint64                `json:"swept"`
	HeapLock     segment.Participant   `json:"heap_lock"`
	Heap         segment.Stats         `json:"heap"`
	Participants []segment.Participant `json:"participants"`
	Objects      []object              `json:"objects"`
}

// object is one object of the segment.
type object struct {
	Name  string       `json:"name"`
	Ref   string       `json:"ref"`
	Kind  string       `json:"kind"`
	Size  uint64       `json:"size"`
	State fmt.Stringer `json:"state,omitempty"` // nil: it has none that is known
	Error string       `json:"error,omitempty"` // why the state cannot be told
}

// Show tells all about one segment.
func Show(_ context.Context, args []string, stdout, stderr io.Writer) int {
	c := newCommand("show", "NAME", ShowSynopsis, stdout, stderr)
	asJSON := c.flags.Bool("json", false, "print one JSON object")
	return c.run(args, func() error {
		var r report
		err := observe(c.segment, c.config, func(s *segment.Segment) error { return r.read(s) })
		if r.Name == "" {
			return err // not even the header
		}
		// What was found before the damage is shown beside it.
		if *asJSON {
			return errors.Join(err, writeJSON(stdout, r))
		}
		return errors.Join(err, r.print(stdout))
	})
}

// read fills r with what can be read of s.
func (r *report) read(s *segment.Segment) error {
	i := s.Info()
	*r = report{
		Name: s.Name(), ID: fmt.Sprintf("%016x", i.ID), Version: i.Version, Layout: fmt.Sprintf("%016x", i.Layout),
		Size: i.Size, Used: i.Used, Committed: i.Committed, Created: i.Created, Creator: i.Creator,
		Slots: i.Slots, Swept: i.Swept, HeapLock: s.Participant(i.HeapLock),
		Heap: s.Stats(),
	}
	var err error
	if r.Participants, err = s.Participants(); err != nil {
		return err
	}
	return s.Objects(func(o segment.Object, name string) bool {
		one := object{Name: name, Ref: o.Ref().String(), Kind: o.Kind().String(), Size: o.Size()}
		state, err := stateOf(o)
		if err != nil {
			one.Error = err.Error()
		} else {
			one.State = state
		}
		r.Objects = append(r.Objects, one)
		return true
	})
}

// stateOf describes o, nil if there is nothing to say of its kind.
func stateOf(o segment.Object) (fmt.Stringer, error) {
	switch o.Kind() {
	case segment.KindRaw:
		return nil, nil
	case segment.KindSPSC, segment.KindBytes:
		return ring.Inspect(o)
	case segment.KindQueue:
		return queue.Inspect(o)
	case segment.KindPipe:
		return queue.InspectPipe(o)
	case segment.KindValue, segment.KindArray, segment.KindList, segment.KindMap, segment.KindNamespace:
		return state.Inspect(o)
	case segment.KindBroadcast:
		return ring.InspectBroadcast(o)
	case segment.KindMPMC:
		return ring.InspectMPMC(o)
	}
	return sync.Inspect(o)
}

func (r *report) print(stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "segment\t%s\n", segment.Printable(r.Name))
	fmt.Fprintf(w, "id\t%s\n", r.ID)
	fmt.Fprintf(w, "version\t%d, layout %s\n", r.Version, r.Layout)
	fmt.Fprintf(w, "size\t%s (%d bytes), %s used, %s backed by memory\n", size(r.Size), r.Size, size(r.Used), size(r.Committed))
	fmt.Fprintf(w, "created\t%s (%s ago) by process %d\n", moment(r.Created), age(r.Created), r.Creator)
	fmt.Fprintf(w, "heap lock\t%s\n", r.HeapLock)
	if err := w.Flush(); err != nil {
		return err
	}

	if err := r.printHeap(stdout, w); err != nil {
		return err
	}

	alive := 0
	for _, p := range r.Participants {
		if p.Alive {
			alive++
		}
	}
	fmt.Fprintf(stdout, "\nparticipants: %d alive, %d dead, of %d slots; %d were swept\n",
		alive, len(r.Participants)-alive, r.Slots, r.Swept)
	for _, p := range r.Participants {
		slot, _ := p.Owner.MarshalText()
		fmt.Fprintf(w, "  %s\tprocess %d\t%s\tsince %s\t%s\n",
			slot, p.Pid, lifeOf(p), moment(p.Attached), segment.Printable(p.Name))
	}
	if err := w.Flush(); err != nil {
		return err
	}

	fmt.Fprintf(stdout, "\nobjects: %d\n", len(r.Objects))
	for _, o := range r.Objects {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%d bytes\t%s\n", nameOf(o), o.Ref, o.Kind, o.Size, o.state())
	}
	return w.Flush()
}

// printHeap tells how the heap is used: in all, by size, and by whom.
func (r *report) printHeap(stdout io.Writer, w *tabwriter.Writer) error {
	h := &r.Heap
	fmt.Fprintf(stdout, "\nheap: %d blocks, %s used, %s free, %s of it in one row (fragmentation %.0f %%), %s worn\n",
		h.Blocks, size(h.Used), size(h.Free), size(h.Row), 100*h.Fragmentation(), size(h.Worn))
	for _, c := range h.Classes {
		what := "blocks of " + size(c.Bytes)
		if c.Bytes == 0 {
			what = "blocks of more than " + size(h.Run/2)
		}
		fmt.Fprintf(w, "  %s\t%d used\t%d free\tin %d runs\n", what, c.Used, c.Free, c.Runs)
	}
	for _, o := range h.Participants {
		fmt.Fprintf(w, "  slot %d\thas %d blocks\t%s\tallocates in %d runs\n", o.Slot, o.Blocks, size(o.Bytes), o.Runs)
	}
	return w.Flush()
}

func lifeOf(p segment.Participant) string {
	if p.Alive {
		return "alive"
	}
	return "dead"
}

func nameOf(o object) string {
	if o.Name == "" {
		return "-"
	}
	return segment.Printable(o.Name)
}

func (o object) state() string {
	switch {
	case o.Error != "":
		return o.Error
	case o.State == nil:
		return "-"
	}
	return o.State.String()
}
