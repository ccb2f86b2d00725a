package codec

import (
	"math"
	"reflect"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// maxLevels is how deep arrays, maps and tags may nest. It bounds the stack that hostile bytes, or a value that
// contains itself, can take: some 20 MB.
const maxLevels = 10_000

// encoder writes what a decoder below reads back unchanged, rather than the shortest form or a canonical one.
var encoder = sync.OnceValue(func() cbor.UserBufferEncMode {
	mode, err := cbor.EncOptions{
		Sort:        cbor.SortNone,
		NaNConvert:  cbor.NaNConvertNone,
		InfConvert:  cbor.InfConvertNone,
		IndefLength: cbor.IndefLengthForbidden,
		// The tag lets a time in an any arrive as a time.
		Time:    cbor.TimeRFC3339Nano,
		TimeTag: cbor.EncTagRequired,
	}.UserBufferEncMode()
	if err != nil {
		panic(err)
	}
	return mode
})

// decoder is for types whose encoding may hold tags, strictDecoder for all others. The difference keeps hostile
// bytes from having numbers of a million digits converted, only to be told that they do not fit.
var (
	decoder       = sync.OnceValue(func() cbor.DecMode { return newDecoder(cbor.TagsAllowed) })
	strictDecoder = sync.OnceValue(func() cbor.DecMode { return newDecoder(cbor.TagsForbidden) })
)

func newDecoder(tags cbor.TagsMode) cbor.DecMode {
	opts := cbor.DecOptions{
		TagsMd:          tags,
		MaxNestedLevels: maxLevels,
		// Each element takes a byte at least, and the decoder counts them all before it makes room for any: the
		// length of the input is the limit.
		MaxArrayElements:  math.MaxInt32,
		MaxMapPairs:       math.MaxInt32,
		IndefLength:       cbor.IndefLengthForbidden,
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		// Go strings hold any bytes: file names, for one.
		UTF8: cbor.UTF8DecodeInvalid,
		// For what an any holds.
		IntDec:           cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:        cbor.BigIntDecodePointer,
		MapKeyByteString: cbor.MapKeyByteStringAllowed,
	}
	if tags == cbor.TagsForbidden {
		return must(opts.DecMode())
	}
	set := cbor.NewTagSet()
	if err := set.Add(cbor.TagOptions{DecTag: cbor.DecTagOptional}, reflect.TypeFor[typed](), typedTag); err != nil {
		panic(err)
	}
	return must(opts.DecModeWithTags(set))
}

func must[M any](mode M, err error) M {
	if err != nil {
		panic(err)
	}
	return mode
}
