package sync_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// named is any handle.
type named interface{ Ref() shm.Ref }

func TestOpenOrNewMakesOneForAll(t *testing.T) {
	kinds := map[string]func(*shm.Segment, string) (named, error){
		"mutex":      func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewMutex(s, name) },
		"rmutex":     func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewRMutex(s, name) },
		"rwmutex":    func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewRWMutex(s, name) },
		"semaphore":  func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewSemaphore(s, name, 2) },
		"cond":       func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewCond(s, name) },
		"event":      func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewEvent(s, name) },
		"once":       func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewOnce(s, name) },
		"wait group": func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewWaitGroup(s, name) },
		"barrier":    func(s *shm.Segment, name string) (named, error) { return sync.OpenOrNewBarrier(s, name, 2) },
	}
	for kind, openOrNew := range kinds {
		t.Run(kind, func(t *testing.T) {
			seg := anonymous(t)
			const many = 4
			refs, errs := make([]shm.Ref, many), make([]error, many)
			done := make(chan struct{})
			for i := range many {
				mine := again(t, seg)
				go func() {
					h, err := openOrNew(mine, "it")
					if errs[i] = err; err == nil {
						refs[i] = h.Ref()
					}
					done <- struct{}{}
				}()
			}
			for range many {
				<-done
			}
			require.NoError(t, errors.Join(errs...))
			for _, r := range refs {
				require.Equal(t, refs[0], r)
			}
			_, _, err := shm.NewStruct[int64](seg, shm.Named("other"))
			require.NoError(t, err)
			_, err = openOrNew(seg, "other")
			require.ErrorIs(t, err, shm.ErrKind)
			_, err = openOrNew(seg, "")
			require.ErrorIs(t, err, shm.ErrName)
		})
	}
}
