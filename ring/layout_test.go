package ring

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "ring",
		reflect.TypeFor[control](), reflect.TypeFor[slot[uint64]](), reflect.TypeFor[body[uint64]](),
		reflect.TypeFor[broadcastControl](), reflect.TypeFor[broadcastRow](), reflect.TypeFor[broadcastBody[uint64]](),
		reflect.TypeFor[hall](), reflect.TypeFor[lane](), reflect.TypeFor[seat](), reflect.TypeFor[foyer[uint64]]())
	words, err := slotLayout[uint64]()
	require.NoError(t, err)
	records, err := broadcastLayout[uint64]()
	require.NoError(t, err)
	foyers, err := foyerLayout[uint64]()
	require.NoError(t, err)
	layouttest.Constants(t, "ring", map[string]uint64{
		"closedWriter": closedWriter, "closedReader": closedReader,
		"recordHeader": recordHeader, "recordAlign": recordAlign, "overhead": overhead, "lineUp": lineUp, "copyLine": copyLine, "longRecord": longRecord,
		"bytesLayout": bytesLayout(), "spscLayout(uint64)": words,
		"turnWanted": uint64(turnWanted), "turnClosed": uint64(turnClosed), "turnRowShift": turnRowShift,
		"turnRowMask": turnRowMask, "turnTicketShift": turnTicketShift, "settling": settling, "maxRows": maxRows,
		"broadcastLayout(uint64)": records,
		"mpmcLayout(uint64)":      foyers, "maxLanes": maxLanes, "seats": seats, "commons": commons, "maxEnd": maxEnd,
		"maxMarks": maxMarks, "stateBiased": stateBiased, "stateRevoked": stateRevoked, "stateDrained": stateDrained,
		"headState": headState, "headClaim": headClaim,
		"endShift": endShift, "seatBits": seatBits, "maxTake": maxTake,
		"takeDone": takeDone, "takeOpen": takeOpen, "takeFold": takeFold,
	})
}
