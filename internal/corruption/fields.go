package corruption

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/kindred-ipc/kindred/internal/layouttest"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Field is some bytes of a segment, and what they are.
type Field struct {
	Offset uint64 // in the segment
	Size   uint64
	Object string // that the bytes belong to; "": the header or the table
	Name   string // as docs/LAYOUT.md has it: "ring.control.position"
	Rule   Rule
}

// String is what a report says of the field.
func (f Field) String() string {
	if f.Object == "" {
		return f.Name
	}
	return fmt.Sprintf("%s of %q", f.Name, f.Object)
}

// Bodies says which struct the body of a raw block is, by the hash of its layout.
type Bodies map[uint64]string

// maxGap is how much of unused memory between fields is worth overwriting.
const maxGap = 16

// FieldsOf tells the fields of a segment from its bytes, without the help of what is tested. They are
// in the order of their offsets, and do not overlap; most of what is unused is left out.
func FieldsOf(content []byte, bodies Bodies) ([]Field, error) {
	tables, err := layouttest.Tables()
	if err != nil {
		return nil, err
	}
	m := &survey{content: content, tables: tables, bodies: bodies, forms: make(map[uint64]string)}
	m.walk()
	if m.err != nil {
		return nil, m.err
	}
	sort.Slice(m.fields, func(i, j int) bool { return m.fields[i].Offset < m.fields[j].Offset })
	for i := 1; i < len(m.fields); i++ {
		if before := m.fields[i-1]; before.Offset+before.Size > m.fields[i].Offset {
			return nil, fmt.Errorf("%v and %v overlap", before, m.fields[i])
		}
	}
	return m.fields, nil
}

// survey is one walk over a segment that is sound.
type survey struct {
	content []byte
	tables  map[string][]layouttest.Field
	bodies  Bodies
	fields  []Field
	forms   map[uint64]string // of blocks of rows whose size does not tell it, by their offsets
	err     error
}

func (m *survey) uint64(off uint64) uint64 { return binary.LittleEndian.Uint64(m.content[off:]) }
func (m *survey) uint32(off uint64) uint64 {
	return uint64(binary.LittleEndian.Uint32(m.content[off:]))
}

// at is where a field of a struct lies.
func (m *survey) at(off uint64, structure, field string) uint64 {
	i := slices.IndexFunc(m.tables[structure], func(f layouttest.Field) bool { return f.Name == field })
	if i < 0 {
		m.fail("docs/LAYOUT.md has no %s.%s", structure, field)
		return off
	}
	return off + m.tables[structure][i].Offset
}

func (m *survey) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// add takes n bytes down that are one field.
func (m *survey) add(off, n uint64, object, name string) {
	rule, ok := rules[name]
	if !ok {
		m.fail("no rule says what %s may do", name)
	}
	m.fields = append(m.fields, Field{off, n, object, name, rule})
}

// gap takes down the begin and the end of bytes that are nothing.
func (m *survey) gap(from, to uint64, object string) {
	if to-from > 2*maxGap {
		m.add(from, maxGap, object, unused)
		from = to - maxGap
	}
	if to > from {
		m.add(from, to-from, object, unused)
	}
}

// structure takes the fields of a struct down.
func (m *survey) structure(off uint64, name, object string) {
	table := m.tables[name]
	if len(table) == 0 {
		m.fail("docs/LAYOUT.md has no %s", name)
	}
	for _, f := range table {
		full := name + "." + f.Name
		switch inner, ok := nested[full]; {
		case ok:
			m.structure(off+f.Offset, inner, object)
		case arrays[full] != "":
			m.rows(off+f.Offset, off+f.Offset+f.Size, arrays[full], object)
		case f.Name == "_":
			m.gap(off+f.Offset, off+f.Offset+f.Size, object)
		default:
			m.add(off+f.Offset, f.Size, object, full)
		}
	}
}

// rows takes those rows down that are somebody's, one that is not, and the begin of the next, where what
// overwrites that one may end. All others are like them.
func (m *survey) rows(off, end uint64, name, object string) {
	for off < end {
		owner := m.uint64(off) // a row's first word, on a line of its own or not
		m.structure(off, name, object)
		if off += m.end(name); owner == 0 {
			break
		}
	}
	if off < end {
		m.structure(off, "sync.row", object)
	}
}

// end is where a struct's last field ends.
func (m *survey) end(structure string) uint64 {
	last := m.tables[structure][len(m.tables[structure])-1]
	return last.Offset + last.Size
}

func (m *survey) walk() {
	const header = "segment.header"
	m.structure(0, header, "")
	table := m.uint64(m.at(0, header, "tableOffset"))
	for i := range m.uint32(m.at(0, header, "participants")) {
		m.structure(table+i*m.end("segment.participant"), "segment.participant", fmt.Sprint(slot, i))
	}
	m.heap()
}

const (
	block = "segment.blockHeader"
	run   = "segment.run"
	slot  = "slot " // and its number: the object of a participant's fields

	rowsOf = "rows of " // and the name of an object: that of its blocks of rows
)

// names are those of the objects, by their places.
func (m *survey) names() map[uint64]string {
	names := make(map[uint64]string)
	for place := m.uint64(m.at(0, "segment.header", "directory")); place != 0; {
		off := place & (1<<40 - 1) * 8
		name := string(m.content[off+m.end(block):][:m.uint32(m.at(off, block, "nameLength"))])
		names[place] = name
		for _, rows := range m.blocksOfRows(off) {
			names[rows] = rowsOf + name
			m.forms[rows&(1<<40-1)*8] = m.form(off)
		}
		if place := m.elementsOf(off); place != 0 {
			names[place] = rowsOf + name
		}
		for place := range m.partsOf(off) {
			names[place] = rowsOf + name
		}
		place = m.uint64(m.at(off, block, "next"))
	}
	return names
}

// form is that of the rows of the object at off, if their size does not tell it.
func (m *survey) form(off uint64) string {
	switch segment.Kind(m.uint32(m.at(off, block, "kind"))) {
	case segment.KindRWMutex:
		return "sync.readingRows"
	case segment.KindSemaphore:
		made := off + m.uint32(m.at(off, block, "bodyOffset")) // comes first
		const tracked = 2 << 48
		if m.uint64(made)&tracked == 0 {
			return "sync.keepingRows"
		}
	}
	return ""
}

// blocksOfRows are the places of the blocks of rows that the object at off has.
func (m *survey) blocksOfRows(off uint64) (places []uint64) {
	body := m.tables[bodies[segment.Kind(m.uint32(m.at(off, block, "kind")))]]
	i := slices.IndexFunc(body, func(f layouttest.Field) bool { return f.Name == "rows" })
	if i < 0 {
		return nil
	}
	word := off + m.uint32(m.at(off, block, "bodyOffset")) + body[i].Offset
	for place := m.uint64(word); place != 0; place = m.uint64(word) {
		places = append(places, place)
		off := place & (1<<40 - 1) * 8
		word = off + m.uint32(m.at(off, block, "bodyOffset")) // next comes first
	}
	return places
}

// elementsOf is the place of the block that a List has for its elements, if the object at off is one.
func (m *survey) elementsOf(off uint64) (place uint64) {
	if segment.Kind(m.uint32(m.at(off, block, "kind"))) != segment.KindList {
		return 0
	}
	const list = "state.listState"
	body := off + m.uint32(m.at(off, block, "bodyOffset"))
	header := "even"
	if m.uint64(m.at(body, list, "sequence"))%2 == 1 {
		header = "odd"
	}
	return m.uint64(m.at(m.at(body, list, header), "state.listHeader", "place"))
}

// fieldAt is the field of an offset.
func fieldAt(fields []Field, off uint64) Field {
	i := sort.Search(len(fields), func(i int) bool { return fields[i].Offset+fields[i].Size > off })
	if i == len(fields) || fields[i].Offset > off {
		return Field{Offset: off, Size: 1, Name: unused}
	}
	return fields[i]
}
