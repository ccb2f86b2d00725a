package crashcases

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// A mortal is a process that is dead before the operation begins, so that the victim is the one who
// meets what it left.
type mortal struct{ Dir, Name, Act string }

// What mortals do, and are killed in.
const (
	attached = "attached" // nothing
	locking  = "locking"  // holds the door
	making   = "making"   // makes an object, and is killed in Init
	hoarding = "hoarding" // has blocks in every state
	rubble   = byte(0xdb) // fills what a mortal did not commit
	door     = "door"     // a Mutex
)

var mortals = proc.Func("crashcases.mortal", func(ctx context.Context, m mortal) error {
	seg, err := shm.Open(m.Name, shm.Dir(m.Dir))
	if err != nil {
		return err
	}
	switch m.Act {
	case locking:
		mu, err := sync.OpenMutex(seg, door)
		if err == nil {
			err = mu.Lock(ctx)
		}
		if err != nil {
			return err
		}
	case making:
		_, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: thingSize, Init: func(o segment.Object) {
			fill(o, rubble)
			die()
		}})
		return err
	case hoarding:
		if err := hoard(seg); err != nil {
			return err
		}
	}
	die()
	return nil
})

// die ends this process as a kill does.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {} // until the signal is there
}

// bury has a mortal do that, and returns when it is gone.
func bury(a *crashlab.Actor, act string) error {
	p, err := mortals.Start(a.Ctx, mortal{a.Dir, a.Name, act}, proc.Stderr(os.Stderr))
	if err != nil {
		return err
	}
	err = p.Wait(a.Ctx)
	var end *proc.ExitError
	if !errors.As(err, &end) || end.Signal != os.Kill {
		return fmt.Errorf("the process that was to be killed %s ended otherwise: %v", act, err)
	}
	return nil
}
