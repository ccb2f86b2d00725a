package futex

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "futex", reflect.TypeFor[Event]())
	layouttest.Constants(t, "futex", map[string]uint64{"markAsleep": markAsleep, "markFence": markFence, "markFolded": markFolded})
	// The document's example of what is hashed.
	require.Equal(t, xxh3.HashString("{16 seq@0 u4; mark@4 u4; hub@8 u8;}"), codec.LayoutHash(reflect.TypeFor[Event]()))
}
