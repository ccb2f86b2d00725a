//go:build linux && amd64

package crashcases

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/crashlab/crashtest"
)

func TestMain(m *testing.M) { crashtest.Main(m, crashlab.WithScenarios(Cases(), Scenarios())) }

func TestKilledAnywhere(t *testing.T) { crashtest.Run(t, Cases()) }

func TestScenarios(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Case.Name, func(t *testing.T) {
			o, err := crashlab.TryScenario(crashlab.Options{}, s)
			require.NoError(t, err)
			require.Empty(t, o.Failures)
			require.Equal(t, o.Trials, o.Survived)
			require.Positive(t, o.Trials)
		})
	}
}

func TestEveryOperationHasACase(t *testing.T) {
	const (
		reads = "reads, and changes nothing"
		sets  = "sets a word of this process's own, for the call that it is given to"
		asks  = sets + ", and the system for memory"
	)
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"shm.NewFile": "makes a handle, in this process alone", "shm.File.Passage": reads, "shm.File.Drop": "closes a descriptor, of this process alone",
		"shm.Reach": reads, "shm.Register": "records a type, in this process alone",
		"shm.Check": reads, "shm.Segment.Stats": reads, "shm.Segment.Block": reads,
		"shm.Block.Bytes": reads, "shm.Block.Len": reads, "shm.Block.Ref": reads,
		"shm.Segment.Check": reads, "shm.Segment.Engine": reads, "shm.Segment.ID": reads,
		"shm.Segment.Name": reads, "shm.Segment.Size": reads, "shm.Observe": "opens without a slot, and changes nothing",
		"shm.Raw.Name": reads, "shm.Raw.Size": reads, "shm.Raw.Bytes": reads, "shm.Raw.ReadAt": reads,
		"shm.Raw.ShareableList": reads, "shm.Raw.WriteAt": "writes the user's bytes, which are nobody else's matter",
		"shm.Dir": sets, "shm.MaxBytes": sets, "shm.Mode": sets, "shm.Owner": sets, "shm.Participants": sets,
		"shm.HugePages": asks, "shm.Prefault": asks, "shm.Locked": asks,
	})
}
