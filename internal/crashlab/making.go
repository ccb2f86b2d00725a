package crashlab

import (
	"errors"

	"github.com/kindred-ipc/kindred/shm"
)

// Making is the play of a call that makes an object, which use opens and tries: it is there, whole, or it is not ("absent"),
// and then somebody else can make it.
func Making(create, use func(*Actor) error) Play {
	return Play{
		Victim: create,
		Recover: func(a *Actor) error {
			err := use(a)
			if !errors.Is(err, shm.ErrNotExist) {
				if err == nil {
					a.Say("there")
				}
				return err
			}
			if a.Paused { // the victim may hold the heap's lock, for which New waits without a context
				<-a.Ctx.Done()
				return a.Ctx.Err()
			}
			// Both survivors may come here, and one of them makes it.
			if err := create(a); err != nil && !errors.Is(err, shm.ErrExist) {
				return err
			}
			return use(a)
		},
		Check: func(a *Actor) (string, error) {
			if len(a.Said) >= 2 { // it was there for both, so neither of them made it
				return "there", use(a)
			}
			return "absent", use(a)
		},
	}
}
