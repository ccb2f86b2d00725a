package sync

import (
	"reflect"
	"testing"

	"github.com/kindred-ipc/kindred/internal/layouttest"
)

var _ = [1]struct{}{}[-1<<63-counted] // uint64(counted) is what the test below says

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "sync", reflect.TypeFor[MutexState](), reflect.TypeFor[RWMutexState](), reflect.TypeFor[SemaphoreState](),
		reflect.TypeFor[EventState](), reflect.TypeFor[OnceState](), reflect.TypeFor[CondState](),
		reflect.TypeFor[WaitGroupState](), reflect.TypeFor[BarrierState](),
		reflect.TypeFor[row](), reflect.TypeFor[packedRows](), reflect.TypeFor[linedRows](), reflect.TypeFor[line](),
		reflect.TypeFor[readingRows](), reflect.TypeFor[readingRow](),
		reflect.TypeFor[keepingRows](), reflect.TypeFor[keepingRow]())
	layouttest.Constants(t, "sync", map[string]uint64{
		"mutexLayout": mutexShape.layout(), "rwMutexLayout": rwmutexShape.layout(), "semaphoreLayout": semaphoreShape.layout(),
		"eventLayout": eventShape.layout(), "onceLayout": onceShape.layout(), "condLayout": condShape.layout(),
		"waitGroupLayout": waitGroupShape.layout(), "barrierLayout": barrierShape.layout(),
		"packedRowsLayout": sideBySide.layout(), "linedRowsLayout": lineByLine.layout(), "readingRowsLayout": ofReaders.layout(),
		"keepingRowsLayout": ofKeepers.layout(), "keeperRows": keeperRows, "keeperMarks": keeperMarks, "permitBits": permitBits,
		"inUse": inUse, "recalled": recalled, "grantBits": grantBits, "isKept": isKept,
		"packed": packed, "lineRows": lineRows, "marks": marks, "biased": biased, "revoked": revoked, "settling": settling, "retired": retired, "signalBits": signalBits,
		"goneTag": goneTag, "phaseShift": phaseShift, "spoiledBits": spoiledBits, "actorMask": actorMask, "phaseBroken": phaseBroken,
		"isMade": isMade, "counted": 1 << 63, "variantShift": variantShift, "bounded": bounded, "tracked": tracked, "leaving": leaving,
	})
}
