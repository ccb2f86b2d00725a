package segment

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "segment",
		reflect.TypeFor[header](), reflect.TypeFor[participant](), reflect.TypeFor[run](),
		reflect.TypeFor[blockHeader](), reflect.TypeFor[LockState](), reflect.TypeFor[Ref]())
	layouttest.Constants(t, "segment", map[string]uint64{
		"magic": magic, "version": version, "layoutHash": layoutHash(), "Line": Line, "pageAlign": pageAlign,
		"maxSize": maxSize, "maxParticipants": maxParticipants,
		"lockBase": lockBase, "removerByte": removerByte,
		"slotFree": slotFree, "slotLive": slotLive, "slotRetired": slotRetired, "maxSlotGeneration": maxSlotGeneration,
		"ownerSlotBits": ownerSlotBits, "ownerBits": ownerBits,
		"inconsistent": inconsistent, "notRecoverable": notRecoverable, "urgent": urgent, "free": free,
		"refUnit": refUnit, "refOffsetBits": refOffsetBits,
		"blockHeaderSize": blockHeaderSize, "maxObjectName": maxObjectName,
		"KindRaw": uint64(KindRaw), "KindMutex": uint64(KindMutex),
		"KindSemaphore": uint64(KindSemaphore), "KindSPSC": uint64(KindSPSC), "KindBytes": uint64(KindBytes),
		"KindEvent": uint64(KindEvent), "KindOnce": uint64(KindOnce), "KindRMutex": uint64(KindRMutex), "KindCond": uint64(KindCond), "KindRWMutex": uint64(KindRWMutex),
		"KindWaitGroup": uint64(KindWaitGroup), "KindBarrier": uint64(KindBarrier), "KindRows": uint64(KindRows),
		"KindValue": uint64(KindValue), "KindArray": uint64(KindArray), "KindMap": uint64(KindMap), "KindList": uint64(KindList),
		"KindBroadcast": uint64(KindBroadcast), "KindMPMC": uint64(KindMPMC), "KindQueue": uint64(KindQueue), "KindPipe": uint64(KindPipe), "KindListener": uint64(KindListener),
		"KindNamespace": uint64(KindNamespace),
	})
	require.Len(t, kindNames, int(KindListener)+1, "a kind is missing in the document, or in its test")
}
