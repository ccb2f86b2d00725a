package corruption

import (
	"fmt"
	"maps"
	"strings"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// heap takes the tables of the heap down, and the objects.
func (m *survey) heap() {
	const header = "segment.header"
	names := m.names()
	parts := make(map[uint64]part)
	for place, name := range names {
		if !strings.HasPrefix(name, rowsOf) {
			maps.Copy(parts, m.partsOf(place&(1<<40-1)*8))
		}
	}
	runs, heap := m.uint64(m.at(0, header, "runsOffset")), m.uint64(m.at(0, header, "heapOffset"))
	controls, shift := m.uint64(m.at(0, header, "controlsOffset")), m.uint32(m.at(0, header, "runShift"))
	top := m.uint64(m.at(0, header, "top"))
	if to := runs + top*m.end(run); to < controls {
		m.add(to, 8, "", idle)
	}
	if to := controls + top<<shift/64*8; to < heap {
		m.add(to, 8, "", idle)
	}
	for i := range top {
		entry := runs + i*m.end(run)
		m.structure(entry, run, "")
		word := m.uint64(m.at(entry, run, "word"))
		step := uint64(1) << shift
		begin := heap + i<<shift
		if state := word >> 36 & 7; state == 2 {
			step = segment.ClassBytes(word >> 40 & 0x1f)
		} else if state == 0 {
			m.add(controls+i<<shift/64*8, 8, "", freeControl)
			m.add(begin, maxGap, "", idle)
			continue
		} else if state != 4 {
			continue
		}
		before := true // whether the block before is used: of several free ones, the first will do
		for off := begin; off+step <= begin+1<<shift && m.err == nil; off += step {
			word := controls + (off-heap)/64*8
			c := m.uint64(word)
			if c>>36&7 == 0 {
				if before {
					m.add(word, 8, "", freeControl)
					m.add(off, maxGap, "", idle)
				}
				before = false
				continue
			}
			before = true
			object := names[c>>40<<40|off/8]
			if c>>39&1 == 0 { // no object: the elements of one
				m.add(word, 8, object, usedControl)
				if p := parts[c>>40<<40|off/8]; p != 0 {
					m.part(p, off, step, object)
					continue
				}
				m.gap(off, off+8, object)
				m.add(off+8, step-8, object, elementBytes)
				continue
			}
			if object == "" {
				object = fmt.Sprintf("%s at %#x", segment.Kind(m.uint32(m.at(off, block, "kind"))), off)
			}
			m.add(word, 8, object, usedControl)
			m.block(off, object)
		}
	}
}

// block takes an object down.
func (m *survey) block(off uint64, object string) {
	next := off + m.uint64(m.at(off, block, "size"))
	body := off + m.uint32(m.at(off, block, "bodyOffset"))
	kind := segment.Kind(m.uint32(m.at(off, block, "kind")))
	m.structure(off, block, object)
	length := m.uint32(m.at(off, block, "nameLength"))
	if length > 0 {
		m.add(off+m.end(block), length, object, nameText)
	}
	m.gap(off+m.end(block)+length, body, object)
	switch kind {
	case segment.KindRaw:
		body = m.raw(off, body, next, object)
	case segment.KindRows:
		name := "sync.packedRows"
		if lined := "sync.linedRows"; m.forms[off] != "" {
			name = m.forms[off]
		} else if next-body >= m.end(lined) {
			name = lined
		}
		m.structure(body, name, object)
		body += m.end(name)
	case segment.KindSPSC:
		body = m.slots(body, object)
	case segment.KindBytes:
		body = m.records(body, object)
	case segment.KindValue:
		body = m.value(body, object)
	case segment.KindArray:
		body = m.elements(body, object)
	case segment.KindList:
		const list = "state.listState"
		m.structure(body, list, object)
		body += m.end(list)
	case segment.KindMap, segment.KindNamespace:
		m.structure(body, mapState, object)
		lists := m.uint64(m.at(body, mapState, "lists"))
		body += m.end(mapState)
		for range lists {
			m.add(body, 8, object, rowPlace)
			body += 8
		}
	case segment.KindBroadcast:
		body = m.broadcast(body, object)
	case segment.KindMPMC:
		body = m.mpmc(body, object)
	case segment.KindQueue:
		body = m.queue(body, next, object)
	default:
		name := bodies[kind]
		if name == "" {
			m.fail("%s in the segment", kind)
			break
		}
		m.structure(body, name, object)
		body += m.end(name)
	}
	m.gap(body, next, object)
}

// bodies are the structs that objects of a kind consist of.
var bodies = map[segment.Kind]string{
	segment.KindMutex:     "sync.MutexState",
	segment.KindRMutex:    "sync.MutexState",
	segment.KindRWMutex:   "sync.RWMutexState",
	segment.KindSemaphore: "sync.SemaphoreState",
	segment.KindEvent:     "sync.EventState",
	segment.KindOnce:      "sync.OnceState",
	segment.KindCond:      "sync.CondState",
	segment.KindWaitGroup: "sync.WaitGroupState",
	segment.KindBarrier:   "sync.BarrierState",
}

func (m *survey) raw(off, body, next uint64, object string) (end uint64) {
	if name := m.bodies[m.uint64(m.at(off, block, "layout"))]; name != "" {
		m.structure(body, name, object)
		return body + m.end(name)
	}
	m.add(body, next-body, object, userBytes)
	return next
}
