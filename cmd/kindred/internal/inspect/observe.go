package inspect

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// observe opens the segment of that name without a trace, and calls look with it. The file may be
// truncated meanwhile by whoever may write to it: a page that is gone then is an error.
func observe(name string, config segment.Config, look func(*segment.Segment) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr
		}:
			err = fmt.Errorf("%s: a page went away during the look: %w", quoted(name), segment.ErrTruncated)
		default:
			panic(fault)
		}
	}()
	config.Observe = true
	s, err := segment.Open(name, config)
	if err != nil {
		return fmt.Errorf("%s: %w", quoted(name), err)
	}
	defer s.Close()
	if err := look(s); err != nil {
		return fmt.Errorf("%s: %w", quoted(name), err)
	}
	return nil
}
