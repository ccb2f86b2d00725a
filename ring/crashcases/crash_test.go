//go:build linux && amd64

package crashcases

import (
	"testing"

	"github.com/kindred-ipc/kindred/internal/crashlab/crashtest"
)

func TestMain(m *testing.M) { crashtest.Main(m, Cases()) }

func TestKilledAnywhere(t *testing.T) { crashtest.Run(t, Cases()) }

func TestEveryOperationHasACase(t *testing.T) {
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"ring.Bytes.Cap":          "a constant",
		"ring.SPSC.Cap":           "a constant",
		"ring.Reader.Cap":         "a constant",
		"ring.Writer.Cap":         "a constant",
		"ring.Bytes.Ref":          "a constant",
		"ring.SPSC.Ref":           "a constant",
		"ring.OpenOrNewSPSC":      "as ring.OpenSPSC, and else as ring.NewSPSC",
		"ring.OpenOrNewBytes":     "as ring.OpenBytes, and else as ring.NewBytes",
		"ring.OpenOrNewMPMC":      "as ring.OpenMPMC, and else as ring.NewMPMC",
		"ring.SPSCFrom":           "as ring.OpenSPSC, without the name; changes nothing",
		"ring.BytesFrom":          "as ring.OpenBytes, without the name; changes nothing",
		"ring.Bytes.Len":          "reads, changes nothing",
		"ring.SPSC.Len":           "reads, changes nothing",
		"ring.Reader.Len":         "reads, changes nothing",
		"ring.Writer.Len":         "reads, changes nothing",
		"ring.Run.Len":            "a constant",
		"ring.Run.At":             "an address",
		"ring.SPSC.Full":          "reads, changes nothing",
		"ring.SPSC.Empty":         "reads, changes nothing",
		"ring.Reader.Full":        "reads, changes nothing",
		"ring.Reader.Empty":       "reads, changes nothing",
		"ring.Writer.Full":        "reads, changes nothing",
		"ring.Writer.Empty":       "reads, changes nothing",
		"ring.BytesReader.Cap":    "a constant",
		"ring.BytesWriter.Cap":    "a constant",
		"ring.BytesReader.Stream": "another view of the end",
		"ring.BytesWriter.Stream": "another view of the end",
		"ring.StreamReader.Close": "as ring.BytesReader.Close",
		"ring.StreamWriter.Close": "as ring.BytesWriter.Close",
		"ring.MPMC.Cap":           "a constant",
		"ring.MPMC.Ref":           "a constant",
		"ring.MPMCFrom":           "as ring.OpenMPMC, without the name; changes nothing",
		"ring.MPMC.Len":           "reads, changes nothing",
		"ring.MPMC.Empty":         "reads, changes nothing",
		"ring.MPMC.Full":          "reads, changes nothing",
		"ring.MPMC.SetPolicy":     "changes nothing that is shared",
		"ring.InspectMPMC":        "reads, changes nothing",
		"ring.MPMCInfo.String":    "formats what InspectMPMC returned",
		"ring.Inspect":            "reads, changes nothing",
		"ring.Check":              "reads, changes nothing",
		"ring.Info.String":        "formats what Inspect returned",
		"ring.Side.String":        "formats what Inspect returned",
		"ring.OneOfMany":          "makes an option",
		"ring.Waiting":            "makes an option",

		"ring.Blocking":                 "makes an option",
		"ring.FromNewest":               "makes an option",
		"ring.FromOldest":               "makes an option",
		"ring.FromSequence":             "makes an option",
		"ring.Broadcast.Cap":            "a constant",
		"ring.Broadcast.Ref":            "a constant",
		"ring.Broadcast.Bounds":         "reads, changes nothing",
		"ring.OpenOrNewBroadcast":       "as ring.OpenBroadcast, and else as ring.NewBroadcast",
		"ring.BroadcastFrom":            "as ring.OpenBroadcast, without the name; changes nothing",
		"ring.BroadcastWriter.Sequence": "of the process's own",
		"ring.Subscriber.Sequence":      "of the process's own",
		"ring.Subscriber.Behind":        "reads, changes nothing",
		"ring.Lapped.Error":             "formats what Next returned",
		"ring.Lapped.Is":                "compares",
		"ring.InspectBroadcast":         "reads, changes nothing",
		"ring.BroadcastInfo.String":     "formats what InspectBroadcast returned",
	})
}
