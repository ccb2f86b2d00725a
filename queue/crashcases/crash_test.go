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
	const option = "asks for something that New does"
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"queue.Joinable": option, "queue.FailWhenFull": option, "queue.DropOldest": option, "queue.MaxBytes": option,
		"queue.Leases": option, "queue.DeadTo": option, "queue.Through": option,
		"queue.Listener.Accept": "what it waits for is in Go's heap", "queue.Listener.Addr": "a constant",
		"queue.Conn.LocalAddr": "a constant", "queue.Conn.RemoteAddr": "a constant",
		"queue.Addr.Network": "text", "queue.Addr.String": "text",
		"queue.Select": "changes nothing but marks of who waits, as each call that waits does, and takes the leases of the dead back, as Lease does", "queue.Closed": "for Select",
		"queue.Queue.Waits": "for Select", "queue.Pipe.Waits": "for Select", "queue.Listener.Waits": "for Select",
		"queue.OneWay":    option,
		"queue.Pipe.Hold": "is what End does, and frees in the same way as Close", "queue.Pipe.Drop": "is Close", "queue.Pipe.Ref": "a constant",
		"queue.InspectPipe": reads, "queue.CheckPipe": reads, "queue.PipeInfo.String": reads,
		"queue.ShortBufferError.Error": "text", "queue.ShortBufferError.Unwrap": "a constant",
		"queue.Inspect": reads, "queue.Check": reads, "queue.QueueInfo.String": reads,
		"queue.Queue.Cap": "a constant", "queue.Queue.Chan": "is Get, or Lease, by a goroutine of its own",
		"queue.AbandonedError.Error": "text", "queue.AbandonedError.Unwrap": "a constant",
	})
}
