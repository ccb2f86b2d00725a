package codec

import (
	"encoding"
	"math/big"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// A shape is what there is to know about a type before any of its values is written as CBOR.
type shape struct {
	fault   *fault // why no value can be written, or nil
	opaque  bool   // values write themselves: nothing inside is looked at
	tags    bool   // the encoding may hold tags
	levels  int    // how deep the encoding nests, as far as the type says
	check   bool   // encodes looks at values: of recursive types, interfaces and times
	open    bool   // an any may be in it
	handles bool   // handles may be in it
	foreign bool   // methods of the program's own types read it
	fields  []int  // of a struct: the encoded fields whose values are looked at
}

// A fault is a part of a type that cannot be encoded.
type fault struct {
	path string // relative to the type, as .Jobs[].Conn
	typ  reflect.Type
	why  string
}

func (f *fault) in(part string) *fault {
	return &fault{path: part + f.path, typ: f.typ, why: f.why}
}

func (f *fault) err(root string) error { return unencodable(root+f.path, f.typ, f.why, nil) }

const (
	whyArrivesEmpty    = "all its fields are unexported, and it has no MarshalBinary"
	whyFile            = "shm.NewFile makes of an *os.File what travels"
	whyMethods         = "the receiver cannot know what an interface with methods held"
	whyNoReturn        = "it has a marshaler without the unmarshaler"
	whyEmbedded        = "the receiver cannot fill an embedded pointer to an unexported struct"
	whyNamedEmbed      = "an embedded unexported struct cannot have a name in its tag"
	whyTooDeep         = "it contains itself, or nests deeper than 10000 levels"
	whyOffset          = "its offset has seconds, which do not travel: send it in UTC"
	whyOnlyPointers    = "it points to nothing but pointers"
	whyHandle          = "a handle is not copied: send a pointer to it"
	whyEmbedsHandle    = "it embeds a handle, whose methods it has: give the field a name"
	whyHidden          = "the receiver would miss it, since another field has its name: give one of them another by a tag, or leave one out by \"-\""
	whyEmbedsMarshaler = "the receiver would miss it, since the struct is written by the method of what it embeds: give that field a name"
	whyUnknown         = "the receiver cannot know the type of what an any holds, unless it is registered (shm.Register)"
	whyTyped           = "it contains itself, or nests deeper than 64 values that travel with their types"
)

var (
	timeType   = reflect.TypeFor[time.Time]()
	bigIntType = reflect.TypeFor[big.Int]()
	fileType   = reflect.TypeFor[os.File]()

	cborMarshaler     = reflect.TypeFor[cbor.Marshaler]()
	cborUnmarshaler   = reflect.TypeFor[cbor.Unmarshaler]()
	binaryMarshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
)

var shapes sync.Map // of reflect.Type to *shape

// shapeOf never returns nil.
func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := survey{}.visit(t)
	shapes.Store(t, s)
	return s
}

// A survey is one walk over the graph of types. It maps types to their shapes, or to nil while they are visited.
type survey map[reflect.Type]*shape

// again is the shape of a type met within itself. That it needs tags, or holds an any, is a guess to the safe side, since its other
// fields are not known yet.
var again = &shape{check: true, tags: true, open: true, handles: true} // what is foreign in it is found where it stands

func (sv survey) visit(t reflect.Type) *shape {
	if t.Kind() == reflect.Pointer {
		return sv.visitPointer(t)
	}
	if s, met := sv[t]; met {
		if s == nil {
			return again
		}
		return s
	}
	sv[t] = nil
	s := sv.look(t)
	sv[t] = s
	return s
}

// visitPointer steps over all pointers at once, as the encoder does; it would not come back from type P *P.
func (sv survey) visitPointer(t reflect.Type) *shape {
	passed := map[reflect.Type]bool{}
	base := t
	for base.Kind() == reflect.Pointer {
		if passed[base] {
			return &shape{fault: &fault{typ: t, why: whyOnlyPointers}}
		}
		passed[base] = true
		base = base.Elem()
	}
	if isHandle(base) {
		return &shape{opaque: true, check: true, handles: true}
	}
	return sv.visit(base)
}

func (sv survey) look(t reflect.Type) *shape {
	switch s := marshals(t); {
	case s != nil:
		return s
	case isBytes(t):
		return &shape{}
	case t == fileType:
		return &shape{fault: &fault{typ: t, why: whyFile}}
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return &shape{}

	case reflect.Interface:
		if t.NumMethod() > 0 {
			return &shape{fault: &fault{typ: t, why: whyMethods}}
		}
		return &shape{check: true, tags: true, open: true, handles: true}

	case reflect.Array, reflect.Slice:
		s := &shape{}
		s.take("[]", sv.visit(t.Elem()))
		return s

	case reflect.Map:
		s := &shape{}
		s.take("[key]", sv.visit(t.Key()))
		s.take("[]", sv.visit(t.Elem()))
		return s

	case reflect.Struct:
		return sv.visitFields(t)
	}
	return &shape{fault: &fault{typ: t}} // chan, func, unsafe.Pointer, uintptr, complex
}

// take makes the part of type s, at the given place, a part of the container c.
func (c *shape) take(place string, s *shape) {
	if c.fault == nil && s.fault != nil {
		c.fault = s.fault.in(place)
	}
	c.tags = c.tags || s.tags
	c.check = c.check || s.check
	c.open = c.open || s.open
	c.handles = c.handles || s.handles
	c.foreign = c.foreign || s.foreign
	c.levels = max(c.levels, s.levels+1)
}

// visitFields looks at the fields of a struct that the encoder takes: the exported ones, and those of embedded
// structs, unless their tags say otherwise.
func (sv survey) visitFields(t reflect.Type) *shape {
	c := &shape{levels: 1}
	exported, hidden := 0, 0
	for i := range t.NumField() {
		f := t.Field(i)
		base := embedded(f)
		if !f.IsExported() && base == nil {
			if f.Name != "_" && f.Type.Size() > 0 {
				hidden++
			}
			continue
		}
		exported++
		name, left := fieldTag(f)
		if left {
			continue
		}

		var s *shape
		switch {
		case base != nil && !f.IsExported() && f.Type.Kind() == reflect.Pointer:
			s = &shape{fault: &fault{typ: f.Type, why: whyEmbedded}}
		case base != nil && !f.IsExported() && name != "":
			s = &shape{fault: &fault{typ: f.Type, why: whyNamedEmbed}}
		case base != nil && name == "":
			s = sv.visitEmbedded(base)
		default:
			s = sv.visit(f.Type)
		}
		c.take("."+f.Name, s)
		if s.check {
			c.fields = append(c.fields, i)
		}
	}
	if c.fault == nil && exported == 0 && hidden > 0 {
		c.fault = &fault{typ: t, why: whyArrivesEmpty}
	}
	if c.fault == nil {
		c.fault = shadowed(t)
	}
	return c
}

// visitEmbedded looks at a struct whose fields the encoder takes as fields of the struct around it, even if it could
// marshal itself.
func (sv survey) visitEmbedded(t reflect.Type) *shape {
	s, met := sv[t]
	if met && s == nil {
		return again // within itself the encoder leaves it out
	}
	if marshals(t) == nil {
		return sv.visit(t)
	}
	sv[t] = nil
	c := sv.visitFields(t)
	if delete(sv, t); met {
		sv[t] = s
	}
	return c
}

// marshals returns the shape of a type whose values write themselves, or nil.
func marshals(t reflect.Type) *shape {
	p := reflect.PointerTo(t)
	s := &shape{opaque: true}
	if r := resolves(t); r != nil {
		s.fault = &fault{typ: t, why: whyHandle}
		if r != p {
			s.fault.why = whyEmbedsHandle
		}
		return s
	}
	back := true
	switch {
	case t == timeType || t == bigIntType:
		s.tags, s.levels, s.check = true, 1, t == timeType
	case p.Implements(cborMarshaler):
		s.tags, s.levels, s.foreign = true, 1, true
		back = p.Implements(cborUnmarshaler)
	case p.Implements(binaryMarshaler):
		s.foreign = true
		back = p.Implements(binaryUnmarshaler)
	default:
		return nil
	}
	if s.fault = leftBehind(t); !back {
		s.fault = &fault{typ: t, why: whyNoReturn}
	}
	return s
}

// isBytes reports whether values of t are written as byte strings.
func isBytes(t reflect.Type) bool {
	return (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
}

// fieldTag returns the name that a tag gives a field, and whether it leaves the field out.
func fieldTag(f reflect.StructField) (name string, left bool) {
	tag := tagOf(f)
	name, _, _ = strings.Cut(tag, ",")
	return name, tag == "-"
}

// keyedByNumber reports whether a field's tag makes its name a number.
func keyedByNumber(f reflect.StructField) bool {
	_, options, _ := strings.Cut(tagOf(f), ",")
	return slices.Contains(strings.Split(options, ","), "keyasint")
}

func tagOf(f reflect.StructField) string {
	if tag := f.Tag.Get("cbor"); tag != "" {
		return tag
	}
	return f.Tag.Get("json")
}
