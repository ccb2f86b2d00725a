package state

import (
	"reflect"
	"testing"

	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "state", reflect.TypeFor[valueState](), reflect.TypeFor[arrayState](),
		reflect.TypeFor[listState](), reflect.TypeFor[listHeader](),
		reflect.TypeFor[mapState](), reflect.TypeFor[bucket](), reflect.TypeFor[pair]())
	layouttest.Constants(t, "state", map[string]uint64{
		"wordSize": wordSize, "valueLayout(uint64)": layoutOf[valueState, uint64](),
		"arrayLayout(uint64)": layoutOf[arrayState, uint64](), "listLayout(uint64)": layoutOf[listState, uint64](),
		"mapLayout(uint64, uint64)": mapLayout[uint64, uint64](),
		"namespaceLayout":           namespaceLayout(), "attributeValue": attributeValue, "attributeRef": attributeRef,
		"listHead": listHead, "leastSpare": leastSpare, "boxHead": boxHead, "keepHead": keepHead,
		"extentsHead": extentsHead, "doubled": doubled, "reach": reach, "firstHomes": first, "inBox": inBox,
	})
}
