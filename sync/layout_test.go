package sync

import (
	"reflect"
	"testing"

	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "sync", reflect.TypeFor[MutexState](), reflect.TypeFor[semaphoreState](),
		reflect.TypeFor[EventState](), reflect.TypeFor[OnceState](),
		reflect.TypeFor[condState](), reflect.TypeFor[row](),
		reflect.TypeFor[trackedState](), reflect.TypeFor[waitGroupState](), reflect.TypeFor[barrierState]())
	layouttest.Constants(t, "sync", map[string]uint64{
		"mutexLayout": mutexShape.layout(), "semaphoreLayout": semaphoreShape.layout(),
		"eventLayout": eventShape.layout(), "onceLayout": onceShape.layout(),
		"condLayout": condShape.layout(), "trackedLayout": trackedShape.layout(),
		"waitGroupLayout": waitGroupShape.layout(), "barrierLayout": barrierShape.layout(), "maxRows": maxRows, "settling": settling, "signalBits": signalBits,
	})
}
