package sync

import (
	"reflect"
	"testing"

	"github.com/kindred-ipc/kindred/internal/layouttest"
)

func TestTheDocumentHasTheLayout(t *testing.T) {
	layouttest.Structs(t, "sync", reflect.TypeFor[MutexState](), reflect.TypeFor[semaphoreState]())
	layouttest.Constants(t, "sync", map[string]uint64{
		"mutexLayout": mutexLayout(), "semaphoreLayout": semaphoreLayout(),
	})
}
