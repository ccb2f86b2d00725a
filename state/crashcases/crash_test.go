//go:build linux && amd64

package crashcases

import (
	"testing"

	"github.com/kindred-ipc/kindred/internal/crashlab/crashtest"
)

func TestMain(m *testing.M) { crashtest.Main(m, Cases()) }

func TestKilledAnywhere(t *testing.T) { crashtest.Run(t, Cases()) }

func TestEveryOperationHasACase(t *testing.T) {
	const reads = "reads, and changes nothing"
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"state.Check": reads, "state.Inspect": reads, "state.ValueInfo.String": reads, "state.ArrayInfo.String": reads,
		"state.MapInfo.String":  reads,
		"state.ListInfo.String": reads,
		"state.Array.Len":       "a constant",
	})
}
