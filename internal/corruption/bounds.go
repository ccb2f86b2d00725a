package corruption

import (
	"slices"
	"strings"
)

// extent is the bytes from one offset to another.
type extent struct{ from, to uint64 }

// bounds divides the bytes of a segment by whether a script may change them, and by whether they are
// near a field: what is far from any is looked at less often.
type bounds struct {
	near, far         []extent // all bytes
	keptNear, keptFar []extent // those that a script may not change
}

// nearby is how far from a field an operation may well write.
const nearby = 256

// boundsOf divides the first size bytes of a segment whose heap ends at used.
func boundsOf(s *Scene, fields []Field, used, size uint64) bounds {
	var near []extent
	for _, f := range fields {
		near = join(near, extent{f.Offset - min(f.Offset, nearby), min(f.Offset+f.Size+nearby, size)})
	}
	near = join(near, extent{used, min(used+16*nearby, size)})
	kept := without(size, owned(s, fields, used, size))
	far := without(size, near)
	return bounds{near, far, both(kept, near), both(kept, far)}
}

// owned is what a script may change. The body of an object is all of its block that is not its header:
// where in it the body lies may be what was overwritten.
func owned(s *Scene, fields []Field, used, size uint64) (all []extent) {
	for i, f := range fields {
		next := size
		if i+1 < len(fields) {
			next = fields[i+1].Offset
		}
		switch {
		case s.changes(f.Object) && !strings.HasPrefix(f.Name, block+"."):
			all = join(all, extent{f.Offset, next})
		case s.Attaches && (strings.HasPrefix(f.Object, slot) || f.Object == "" && f.Offset >= 128):
			all = join(all, extent{f.Offset, next})
		case slices.Contains(swept, f.Name):
			all = join(all, extent{f.Offset, f.Offset + f.Size})
		case strings.HasPrefix(f.Object, slot) && strings.HasPrefix(f.Name, "futex.Event."):
			all = join(all, extent{f.Offset, f.Offset + f.Size}) // whoever signals rings doorbells
		}
	}
	if s.Attaches {
		all = join(all, extent{used, size})
	}
	return all
}

// swept are the fields that whoever notices a death may change.
var swept = []string{
	"segment.participant.state", "segment.header.swept", "segment.header.vacant",
	"segment.run.word", "segment.run.freed", usedControl, freeControl,
}

// join adds e to extents in their order; it may touch or overlap the last one.
func join(all []extent, e extent) []extent {
	if n := len(all); n > 0 && all[n-1].to >= e.from {
		all[n-1].to = max(all[n-1].to, e.to)
		return all
	}
	return append(all, e)
}

// without is what there is from 0 to size beside the given extents.
func without(size uint64, all []extent) (rest []extent) {
	from := uint64(0)
	for _, e := range all {
		if e.from > from {
			rest = append(rest, extent{from, e.from})
		}
		from = e.to
	}
	if from < size {
		rest = append(rest, extent{from, size})
	}
	return rest
}

// both is what two lists have in common.
func both(a, b []extent) (common []extent) {
	for _, x := range a {
		for _, y := range b {
			if from, to := max(x.from, y.from), min(x.to, y.to); from < to {
				common = append(common, extent{from, to})
			}
		}
	}
	return common
}

func restore(to, from []byte, where []extent) {
	for _, e := range where {
		copy(to[e.from:e.to], from[e.from:e.to])
	}
}
