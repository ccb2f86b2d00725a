package corruption

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
)

// Store is some bytes that are written over others.
type Store struct {
	Offset   uint64
	Old, New []byte
}

// Change is what the hostile peer does in one trial.
type Change struct {
	Index  int // of the trial
	Moment int // of the script
	Stores []Store
	Fields []Field // one for each store: what excuses most of what it hits
}

// String names places, fields, old and new values.
func (c Change) String() string {
	var b strings.Builder
	for i, s := range c.Stores {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "offset %#x (%v): %x -> %x", s.Offset, c.Fields[i], s.Old, s.New)
	}
	fmt.Fprintf(&b, ", at moment %d", c.Moment)
	return b.String()
}

// laxest is the rule of the fields' that excuses most.
func (c Change) laxest() (r Rule) {
	for _, f := range c.Fields {
		r = max(r, f.Rule)
	}
	return r
}

// touched are all fields that are hit, some of them more than once.
func (c Change) touched(fields []Field) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for _, s := range c.Stores {
			for i := range s.New {
				if !yield(fieldAt(fields, s.Offset+uint64(i))) {
					return
				}
			}
		}
	}
}

// Apply overwrites content.
func (c Change) Apply(content []byte) {
	for _, s := range c.Stores {
		copy(content[s.Offset:], s.New)
	}
}

// Plan numbers the trials on a segment: first those with one byte, then those with a group. Which is
// which does not depend on the values of the bytes, so that a number means the same in the next run. The
// moments take turns, and begin elsewhere with another seed.
type Plan struct {
	Fields  []Field
	Moments int
	Seed    uint64

	bytes []uint64 // offsets
	owner []int    // index in Fields of each
}

// patterns of one byte: 0, all ones, random, one up, one down.
const patterns = 5

// NewPlan is the plan for all bytes of the fields.
func NewPlan(fields []Field, moments int, seed uint64) *Plan {
	p := &Plan{Fields: fields, Moments: moments, Seed: seed}
	for i, f := range fields {
		for k := range f.Size {
			p.bytes = append(p.bytes, f.Offset+k)
			p.owner = append(p.owner, i)
		}
	}
	return p
}

// thin keeps one in so many of the bytes of the fields that are not wanted, another one with each seed.
func (p *Plan) thin(share uint64, wanted func(Field) bool) {
	n := 0
	for i, off := range p.bytes {
		if wanted(p.Fields[p.owner[i]]) || (uint64(i)+p.Seed)%share == 0 {
			p.bytes[n], p.owner[n] = off, p.owner[i]
			n++
		}
	}
	p.bytes, p.owner = p.bytes[:n], p.owner[:n]
}

// Singles is how many trials change one byte.
func (p *Plan) Singles() int { return len(p.bytes) * patterns }

// Trials is how many there are, groups included.
func (p *Plan) Trials() int { return p.Singles() + p.Singles()/4 }

// Change is the change of trial i, given the bytes that it meets at the begin. It reports false if it
// would change nothing.
func (p *Plan) Change(i int, content []byte) (Change, bool) {
	rnd := rand.New(rand.NewPCG(p.Seed, uint64(i)))
	c := Change{Index: i, Moment: int((uint64(i) + p.Seed) % uint64(p.Moments))}
	if i >= p.Singles() {
		p.group(&c, rnd, content)
		return c, true
	}
	k := i / patterns
	c.Moment = int((uint64(k) + uint64(i) + p.Seed) % uint64(p.Moments))
	old := content[p.bytes[k]]
	choices := [patterns]byte{0, 0xff, byte(rnd.Uint32()), old + 1, old - 1}
	pattern := i % patterns
	for _, before := range choices[:pattern] {
		if choices[pattern] == before {
			return c, false // tried already
		}
	}
	p.store(&c, content, p.bytes[k], p.Fields[p.owner[k]], []byte{choices[pattern]})
	return c, choices[pattern] != old
}

// group changes one to four places, each in a way that a program with an error might.
func (p *Plan) group(c *Change, rnd *rand.Rand, content []byte) {
	for range 1 + rnd.IntN(4) {
		k := rnd.IntN(len(p.bytes))
		off := p.bytes[k]
		word := off &^ 7
		if rnd.IntN(3) > 0 && word+8 <= uint64(len(content)) {
			p.word(c, rnd, content, word)
			continue
		}
		p.run(c, rnd, content, k)
	}
}

// word gives a whole word a value that is special, or belongs elsewhere.
func (p *Plan) word(c *Change, rnd *rand.Rand, content []byte, off uint64) {
	old := binary.LittleEndian.Uint64(content[off:])
	other := p.bytes[rnd.IntN(len(p.bytes))] &^ 7
	values := []uint64{
		0, 1, ^uint64(0), 1 << 63, 1<<63 - 1, old + 1, old - 1, old ^ 1<<rnd.IntN(64), old + 8, old - 8, old + 128, -old,
		off, other, uint64(len(content)), uint64(len(content)) - 8, uint64(len(content)) - 128,
		rnd.Uint64(), rnd.Uint64() >> rnd.IntN(64), binary.LittleEndian.Uint64(content[other:]),
	}
	p.store(c, content, off, fieldAt(p.Fields, off), binary.LittleEndian.AppendUint64(nil, values[rnd.IntN(len(values))]))
	// A word of eight bytes may be two fields of four.
	if second := fieldAt(p.Fields, off+4); second.Rule > c.Fields[len(c.Fields)-1].Rule {
		c.Fields[len(c.Fields)-1] = second
	}
}

// run overwrites some bytes in a row with one, or with random ones.
func (p *Plan) run(c *Change, rnd *rand.Rand, content []byte, k int) {
	field := p.Fields[p.owner[k]]
	off := p.bytes[k]
	last := p.Fields[len(p.Fields)-1]
	b := make([]byte, 1+rnd.Uint64N(min(64, last.Offset+last.Size-off)))
	fill := [...]byte{0, 0xff, byte(rnd.Uint32())}[rnd.IntN(3)]
	random := rnd.IntN(2) == 0
	for i := range b {
		if b[i] = fill; random {
			b[i] = byte(rnd.Uint32())
		}
		f := fieldAt(p.Fields, off+uint64(i))
		if min(f.Rule, field.Rule) == Value && max(f.Rule, field.Rule) == Fixed {
			b = b[:i] // neither rule excuses what the other does
			break
		}
		if f.Rule > field.Rule {
			field = f
		}
	}
	p.store(c, content, off, field, b)
}

func (p *Plan) store(c *Change, content []byte, off uint64, f Field, b []byte) {
	old := append([]byte(nil), content[off:off+uint64(len(b))]...)
	c.Stores = append(c.Stores, Store{Offset: off, Old: old, New: b})
	c.Fields = append(c.Fields, f)
}
