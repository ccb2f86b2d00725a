package proc

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/kindred-ipc/kindred/internal/codec"
)

// Arguments travel as a hash of their type's layout, eight bytes, and the codec's bytes behind. The
// hash tells types apart that another program registers under the same name, and of which one might
// decode as the other.
const layoutSize = 8

func encode[A any](args A) ([]byte, error) {
	c, err := codec.For[A]()
	if err != nil {
		return nil, err
	}
	b := make([]byte, layoutSize, layoutSize+c.Size())
	binary.LittleEndian.PutUint64(b, codec.LayoutHash(reflect.TypeFor[A]()))
	return c.Append(b, args)
}

func decode[A any](b []byte) (args A, err error) {
	c, err := codec.For[A]()
	if err != nil {
		return args, err
	}
	t := reflect.TypeFor[A]()
	if len(b) < layoutSize || binary.LittleEndian.Uint64(b) != codec.LayoutHash(t) {
		return args, fmt.Errorf("the parent's type is another than %v", t)
	}
	err = c.Decode(b[layoutSize:], &args)
	return args, err
}
