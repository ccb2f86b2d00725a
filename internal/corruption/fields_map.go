package corruption

import (
	"github.com/kindred-ipc/kindred/internal/segment"
)

// part is what a Map has beside its body.
type part int

const (
	partList part = iota + 1
	partExtent
	partBox
)

// partsOf are the parts of a Map, by their places, if the object at off is one.
func (m *survey) partsOf(off uint64) map[uint64]part {
	kind := segment.Kind(m.uint32(m.at(off, block, "kind")))
	if kind != segment.KindMap && kind != segment.KindNamespace {
		return nil
	}
	parts := make(map[uint64]part)
	body := off + m.uint32(m.at(off, block, "bodyOffset"))
	boxed := m.uint32(m.at(body, mapState, "valueSize")) == 1<<32-1
	end := body + m.end(mapState) + 8*m.uint64(m.at(body, mapState, "lists"))
	for at := body + m.end(mapState); at < end; at += 8 {
		list := m.uint64(at)
		if list == 0 {
			continue
		}
		parts[list] = partList
		for k := range m.uint64(m.at(body, mapState, "listed")) {
			extent := m.uint64(list&(1<<40-1)*8 + listHead + 8*k)
			if extent == 0 {
				continue
			}
			parts[extent] = partExtent
			begin := extent & (1<<40 - 1) * 8
			for b := begin; boxed && b < begin+m.uint64(m.at(body, mapState, "extent")); b += m.end(bucket) {
				for slot := range m.pairs() {
					if place := m.uint64(m.pair(b, slot) + 8); place != 0 {
						parts[place&^7] = partBox
					}
				}
			}
		}
	}
	return parts
}

const (
	mapState = "state.mapState"
	bucket   = "state.bucket"
	listHead = 64 // bytes of a list before its words
)

// pairs is how many pairs a bucket has, and pair where one is.
func (m *survey) pairs() uint64 {
	return (m.end(bucket) - m.at(0, bucket, "pairs")) / m.end("state.pair")
}

func (m *survey) pair(bucketAt, slot uint64) uint64 {
	return m.at(bucketAt, bucket, "pairs") + slot*m.end("state.pair")
}

// part takes a part of a Map down.
func (m *survey) part(p part, off, size uint64, object string) {
	switch p {
	case partList:
		m.gap(off, off+listHead, object)
		m.add(off+listHead, 8, object, rowPlace) // all others are like it
		m.add(off+listHead+8, 8, object, rowPlace)
	case partExtent:
		for b, bare := off, false; b < off+size; b += m.end(bucket) {
			if m.uint64(m.at(b, bucket, "header"))>>10 == 0 {
				if bare {
					continue // of several buckets that were never used, the first will do
				}
				bare = true
			}
			m.bucket(b, object)
		}
	case partBox:
		m.add(off, size, object, boxBytes)
	}
}

// bucket takes a bucket down, and of its pairs those that are live, and the first that is not.
func (m *survey) bucket(off uint64, object string) {
	m.add(m.at(off, bucket, "header"), 8, object, bucket+".header")
	m.add(m.at(off, bucket, "tags"), m.at(0, bucket, "pairs")-m.at(0, bucket, "tags"), object, bucket+".tags")
	live, before := m.uint64(m.at(off, bucket, "header"))>>10, true
	for slot := range m.pairs() {
		if is := live>>slot&1 == 1; is || before {
			m.add(m.pair(off, slot), 8, object, "state.pair.key")
			m.add(m.pair(off, slot)+8, 8, object, "state.pair.value")
			before = before && is
		}
	}
}
