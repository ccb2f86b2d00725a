//go:build linux && amd64

package crashcases

import (
	"testing"

	"github.com/kindred-ipc/kindred/internal/crashlab/crashtest"
)

func TestMain(m *testing.M) { crashtest.Main(m, Cases()) }

func TestKilledAnywhere(t *testing.T) { crashtest.Run(t, Cases()) }

func TestEveryOperationHasACase(t *testing.T) {
	const (
		reads = "reads, and changes nothing"
		alike = "is OpenOrNewMutex over two other functions, which have cases of their own"
	)
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"sync.Check": reads, "sync.Inspect": reads, "sync.MutexInfo.String": reads, "sync.SemaphoreInfo.String": reads,
		"sync.EventInfo.String": reads, "sync.OnceInfo.String": reads, "sync.CondInfo.String": reads, "sync.Cond.Ref": reads,
		"sync.WaitGroupInfo.String": reads, "sync.WaitGroup.Ref": reads, "sync.WaitGroup.Count": reads,
		"sync.BarrierInfo.String": reads, "sync.Barrier.Ref": reads, "sync.Barrier.Broken": reads,
		"sync.Barrier.Parties": reads, "sync.Barrier.Waiting": reads, "sync.Holder.String": reads,
		"sync.RWMutexInfo.String": reads, "sync.RWMutex.Ref": reads, "sync.RWMutex.Owner": reads, "sync.RWMutex.Readers": reads,
		"sync.OpenOrNewRMutex": alike, "sync.OpenOrNewRWMutex": alike, "sync.OpenOrNewSemaphore": alike, "sync.OpenOrNewCond": alike,
		"sync.OpenOrNewEvent": alike, "sync.OpenOrNewOnce": alike, "sync.OpenOrNewWaitGroup": alike, "sync.OpenOrNewBarrier": alike,
		"sync.Event.IsSet": reads, "sync.Event.Ref": reads, "sync.Event.Waits": reads, "sync.Once.Done": reads, "sync.Once.Ref": reads,
		"sync.RMutex.Owner": reads, "sync.RMutex.Ref": reads, "sync.Hold.Depth": reads,
		"sync.Mutex.Owner": reads, "sync.Mutex.Ref": reads, "sync.Semaphore.Ref": reads, "sync.Semaphore.Value": reads,
	})
}
