package queue

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "queue", reflect.TypeFor[queueState](), reflect.TypeFor[row](), reflect.TypeFor[parcel](), reflect.TypeFor[bay](), reflect.TypeFor[pipeState](),
		reflect.TypeFor[listenerState](), reflect.TypeFor[link]())
	c, err := codec.For[uint64]()
	require.NoError(t, err)
	texts, err := codec.For[string]()
	require.NoError(t, err)
	layouttest.Constants(t, "queue", map[string]uint64{
		"joinable": joinable, "failing": failing, "dropping": dropping, "leased": leased,
		"dropped": dropped, "free": free, "leasedOut": leasedOut, "returned": returned, "buried": buried,
		"inline": inline, "slotHead": slotHead, "boxHead": boxHead, "carrierHead": carrierHead, "moving": moving, "queueLayout(uint64)": layoutOf(c),
		"oneWay": oneWay, "shares": shares, "pipeLayout(uint64, string)": pipeLayoutOf(c, texts),
		"linkMaking": linkMaking >> phaseShift, "linkAsking": linkAsking >> phaseShift, "linkAnswering": linkAnswering >> phaseShift,
		"linkLinked": linkLinked >> phaseShift, "linkClearing": linkClearing >> phaseShift,
		"phaseShift": phaseShift, "maxLinks": maxLinks, "listenerLayout": listenerLayout(),
	})
}
