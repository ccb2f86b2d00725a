package codec

import (
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// maxHops is how many pointers and interfaces may follow each other without a container in between. Only a value
// that points to itself has so many.
const maxHops = 100

// A depth is what is known on the way to a part of a value: how deep it stands, how many pointers and interfaces lead to
// it since the last container, and how many values with types of their own it is in.
type depth struct{ levels, hops, typed int }

// A look is one walk over a value before it is encoded.
type look struct {
	typed  bool // some any holds a value that travels with its type
	handle bool // a handle is met
}

// encodes reports whether the encoder can be let loose on v, whose shape asks for a check: that it comes to an end,
// that no interface within holds a type with a fault, or one that the receiver cannot know, and that all times can be written.
func (l *look) encodes(v reflect.Value, d depth) bool {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return true
		}
		if e := v.Elem(); !bare(e) {
			l.typed = true
			if d.typed++; d.typed > maxTyped || !hasText(e.Type()) {
				return false
			}
			d.levels += typedLevels
		}
		fallthrough
	case reflect.Pointer:
		d.hops++
		return v.IsNil() || d.hops <= maxHops && l.part(v.Elem(), d)
	}
	if d.levels >= maxLevels {
		return false
	}
	d.levels++
	d.hops = 0
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !l.part(v.Index(i), d) {
				return false
			}
		}
	case reflect.Map:
		key := reflect.New(v.Type().Key()).Elem()
		value := reflect.New(v.Type().Elem()).Elem()
		for i := v.MapRange(); i.Next(); {
			key.SetIterKey(i)
			value.SetIterValue(i)
			if !l.part(key, d) || !l.part(value, d) {
				return false
			}
		}
	case reflect.Struct:
		for _, i := range shapeOf(v.Type()).fields {
			if !l.part(v.Field(i), d) {
				return false
			}
		}
	}
	return true
}

// part is encodes for a v of whatever type.
func (l *look) part(v reflect.Value, d depth) bool {
	switch v.Kind() {
	case reflect.Bool, reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return d.levels <= maxLevels
	}
	s := shapeOf(v.Type())
	switch {
	case s.fault != nil:
		return false
	case v.Type() == timeType:
		return d.levels < maxLevels && !hasOddOffset(v)
	case s.check && !s.opaque:
		return l.encodes(v, d)
	case s.handles:
		l.handle = l.handle || !v.IsNil()
	}
	return d.levels+s.levels <= maxLevels
}

// typedLevels is how many levels a type adds to its value.
const typedLevels = 2

func hasText(t reflect.Type) bool {
	_, unknown := textOf(t)
	return unknown == nil
}

// hasOddOffset reports whether the offset of a time.Time has seconds, as local mean times before the railways had.
// RFC 3339 has no room for them: the time would arrive as another one.
func hasOddOffset(v reflect.Value) bool {
	if !v.CanInterface() {
		return false // within an embedded struct whose type is unexported
	}
	t, _ := reflect.TypeAssert[time.Time](v)
	_, offset := t.Zone()
	return offset%60 != 0
}

// A trail is the way from the root of a value to a part of it. It is made while walking and turned into text only
// for an error.
type trail struct {
	up    *trail
	root  string        // for the first step
	field string        // for a struct's field
	key   reflect.Value // for a map's key or value
	isKey bool
	index int // for an element
}

// String writes the trail as Args.Extra["x"][3]. A long one, which is one that goes in circles, is cut.
func (t *trail) String() string {
	const ends = 8
	var steps []*trail
	for ; t != nil; t = t.up {
		steps = append(steps, t)
	}
	text := ""
	for i := len(steps) - 1; i >= 0; i-- {
		if len(steps) > 2*ends && i == len(steps)-1-ends {
			text += "..."
			i = ends - 1
		}
		text += steps[i].step()
	}
	return text
}

func (t *trail) step() string {
	switch {
	case t.up == nil:
		return t.root
	case t.field != "":
		return "." + t.field
	case t.key.IsValid():
		key := t.key
		if key.Kind() == reflect.Interface {
			key = key.Elem()
		}
		text := fmt.Sprint(key)
		switch key.Kind() {
		case reflect.String:
			text = strconv.Quote(text)
		case reflect.Invalid:
			text = "nil"
		}
		if t.isKey {
			return "[key " + text + "]"
		}
		return "[" + text + "]"
	}
	return "[" + strconv.Itoa(t.index) + "]"
}

// locate finds the part of v that cannot be encoded, and returns the error that names it, or nil if it finds none.
// It is for values that the encoder, or encodes, has refused.
func locate(v reflect.Value, at *trail, d depth) error {
	t := v.Type()
	s := shapeOf(t)
	own := 0 // levels that v itself adds
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		own = min(s.levels, 1)
	}
	if d.levels+own > maxLevels || d.hops > maxHops {
		return unencodable(at.String(), t, whyTooDeep, nil)
	}
	if s.opaque && s.fault == nil && (t.Kind() != reflect.Pointer || s.handles && !v.IsNil()) {
		if !v.CanInterface() {
			return nil // within an embedded struct whose type is unexported
		}
		if t == timeType && hasOddOffset(v) {
			return unencodable(at.String(), t, whyOffset, nil)
		}
		b, err := encoder().Marshal(v.Interface())
		if err == nil {
			err = checkTags(b)
		}
		if err != nil {
			return unencodable(at.String(), t, "", err)
		}
		return nil
	}

	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			break
		}
		d.hops++
		typed := t.Kind() == reflect.Interface && !bare(v.Elem())
		if typed {
			d.typed++
			d.levels += typedLevels
		}
		if d.typed > maxTyped {
			return unencodable(at.String(), t, whyTyped, nil)
		}
		if err := locate(v.Elem(), at, d); err != nil {
			return err
		}
		if typed {
			if _, unknown := textOf(v.Elem().Type()); unknown != nil {
				return unencodable(at.String(), unknown, whyUnknown, nil)
			}
		}
	case reflect.Slice, reflect.Array:
		if isBytes(t) {
			return nil
		}
		d.levels, d.hops = d.levels+1, 0
		for i := range v.Len() {
			if err := locate(v.Index(i), &trail{up: at, index: i}, d); err != nil {
				return err
			}
		}
	case reflect.Map:
		d.levels, d.hops = d.levels+1, 0
		for i := v.MapRange(); i.Next(); {
			if err := locate(i.Key(), &trail{up: at, key: i.Key(), isKey: true}, d); err != nil {
				return err
			}
			if err := locate(i.Value(), &trail{up: at, key: i.Key()}, d); err != nil {
				return err
			}
		}
	case reflect.Struct:
		d.levels, d.hops = d.levels+1, 0
		for i := range t.NumField() {
			f := t.Field(i)
			if _, left := fieldTag(f); left || !f.IsExported() && !f.Anonymous {
				continue
			}
			if err := locate(v.Field(i), &trail{up: at, field: f.Name}, d); err != nil {
				return err
			}
		}
	}
	// No value in it is to blame, so the type is, as that of an empty []chan int.
	if s.fault != nil {
		return s.fault.err(at.String())
	}
	return nil
}
