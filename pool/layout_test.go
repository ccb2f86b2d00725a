package pool

import (
	"reflect"
	"testing"

	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "pool", reflect.TypeFor[mailbox](), reflect.TypeFor[workerState]())
	layouttest.Constants(t, "pool", map[string]uint64{
		"workerLayout":         workerLayout(),
		"outcomeResult":        outcomeResult,
		"outcomeError":         outcomeError,
		"outcomeKnown":         outcomeKnown,
		"outcomePanic":         outcomePanic,
		"outcomeNotRegistered": outcomeNotRegistered,
		"outcomeUndecodable":   outcomeUndecodable,
		"outcomeUnencodable":   outcomeUnencodable,
		"outcomeTooLarge":      outcomeTooLarge,
		"outcomeDied":          outcomeDied,
		"outcomeClosed":        outcomeClosed,
		"outcomeBroken":        outcomeBroken,
		"outcomeDepth":         outcomeDepth,
		"outcomeGivenUp":       outcomeGivenUp,
		"outcomeExpired":       outcomeExpired,
		"outcomeFailed":        outcomeFailed,
		"askCall":              askCall,
		"askCancel":            askCancel,
		"replySeveral":         replySeveral,
		"replyWithdrawn":       replyWithdrawn,
		"replyRow":             replyRow,
	})
}
