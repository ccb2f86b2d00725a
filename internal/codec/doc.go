// Package codec turns Go values into bytes that another process can read, and back.
//
// How a value travels is decided once per type, by [For]:
//
//   - A plain type (fixed size, no pointers: see [Plain]) is copied as it lies in memory. Appending one
//     allocates nothing if the destination has room. Padding and blank fields travel as zero bytes, so
//     that nothing of this process's memory leaks, and equal values of types without floats give equal bytes.
//   - string, []byte and types named after them are copied as they are. An empty []byte arrives as nil.
//   - Everything else is written as CBOR (RFC 8949): structs and slices of strings, numbers and bools without reflection, others
//     by the library, which also reads what is written in another way than here.
//
// # What arrives
//
// By CBOR arrive: exported fields, by the rules of encoding/json (names and options from the tag cbor, or else
// json; a field tagged "-" stays behind), nil and empty slices and maps as what they were, pointers as pointers
// to copies (one to a nil pointer, slice, map or any arrives as nil), strings with any bytes, floats to the bit except signalling NaNs. A type with MarshalBinary travels
// by it, whole. A time.Time keeps its nanoseconds and its offset, but not the name of its zone.
// Unexported fields beside exported ones stay behind.
//
// What an any holds arrives with the type that it has. nil, bool, int, float64, string, time.Time, []byte, []any and
// map[any]any are written bare; all others behind their type, which the receiver must know: basic types, those that are
// registered ([Register]), and slices, maps, pointers and small arrays of these.
//
// The strings of a message of up to 512 bytes are parts of one, so one that is kept keeps all of them; those of a longer one are their own.
//
// A pointer to a [Handle] arrives as a handle of the receiver's own.
//
// # What is refused
//
// For refuses a type of which a part could never arrive, and names the path to that part: channels,
// functions, unsafe pointers, uintptr, complex numbers (but in plain types), interfaces with methods, structs
// whose every field is unexported, fields that another of their name hides, fields beside an embedded type that has its MarshalBinary stand for
// the struct, marshalers without their unmarshaler, handles that are no pointers. Append refuses the same of the values
// that an any holds, and types that are not registered, values that nest deeper than 10,000 levels, as one that contains itself does, a big.Int of
// more than 64 KiB, and a time.Time beyond the year 9999 or whose offset has seconds.
//
// # Hostile bytes
//
// Decode answers bytes that no Append wrote with [ErrCorrupt], and never panics. Of types it makes what texts of 4 KiB at most say, 4,096 of
// them, out of those that the program has. The memory it takes is bounded by
// the number of bytes times the size of the largest element type. It reads each byte once, so bytes that
// another process changes meanwhile do no more harm than other bad bytes.
package codec
