package codec

import "reflect"

// A spot is a run of bytes in a plain value that needs care: padding, which is zeroed before it leaves the
// process, or booleans, which must be 0 or 1 when they come from another one (the compiler takes that for granted
// and may index an array by them). Spots of array elements are kept once, with the number of elements.
type spot struct {
	offset, size uintptr // of the run, or of the first element
	count        uintptr // of elements; 0 for a run
	inside       []spot  // of an element, relative to its start
}

// paddingOf returns the bytes of a plain t that belong to no field, and those of blank fields.
func paddingOf(t reflect.Type) []spot {
	switch t.Kind() {
	case reflect.Array:
		return repeat(t, paddingOf(t.Elem()))
	case reflect.Struct:
		var spots []spot
		end := uintptr(0) // of what is accounted for
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "_" {
				continue
			}
			if f.Offset > end {
				spots = append(spots, spot{offset: end, size: f.Offset - end})
			}
			spots = append(spots, shift(paddingOf(f.Type), f.Offset)...)
			end = f.Offset + f.Type.Size()
		}
		if t.Size() > end {
			spots = append(spots, spot{offset: end, size: t.Size() - end})
		}
		return spots
	}
	return nil
}

// boolsOf returns the booleans of a plain t.
func boolsOf(t reflect.Type) []spot {
	switch t.Kind() {
	case reflect.Bool:
		return []spot{{size: t.Size()}}
	case reflect.Array:
		return repeat(t, boolsOf(t.Elem()))
	case reflect.Struct:
		var spots []spot
		for i := range t.NumField() {
			if f := t.Field(i); f.Name != "_" {
				spots = append(spots, shift(boolsOf(f.Type), f.Offset)...)
			}
		}
		return spots
	}
	return nil
}

// repeat makes the spots of one element those of all elements of array type t.
func repeat(t reflect.Type, inside []spot) []spot {
	if len(inside) == 0 || t.Len() == 0 {
		return nil
	}
	size := t.Elem().Size()
	if len(inside) == 1 && inside[0].count == 0 && inside[0].size == size {
		return []spot{{size: size * uintptr(t.Len())}} // runs that touch are one run
	}
	return []spot{{size: size, count: uintptr(t.Len()), inside: inside}}
}

func shift(spots []spot, by uintptr) []spot {
	moved := make([]spot, len(spots))
	for i, s := range spots {
		s.offset += by
		moved[i] = s
	}
	return moved
}

// zero clears the spots of the value whose bytes are p.
func zero(p []byte, spots []spot) {
	for i := range spots {
		s := &spots[i]
		if s.count == 0 {
			clear(p[s.offset : s.offset+s.size])
			continue
		}
		for at, n := s.offset, s.count; n > 0; at, n = at+s.size, n-1 {
			zero(p[at:at+s.size], s.inside)
		}
	}
}

// areBools reports whether all bytes at the spots of the value whose bytes are p are 0 or 1.
func areBools(p []byte, spots []spot) bool {
	for i := range spots {
		s := &spots[i]
		if s.count == 0 {
			for _, b := range p[s.offset : s.offset+s.size] {
				if b > 1 {
					return false
				}
			}
			continue
		}
		for at, n := s.offset, s.count; n > 0; at, n = at+s.size, n-1 {
			if !areBools(p[at:at+s.size], s.inside) {
				return false
			}
		}
	}
	return true
}
