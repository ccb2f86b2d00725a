//go:build !race

package ring_test

import (
	"runtime"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// The controls of the test that looks at the compiler's order: a push and a batch as they are, and copies
// in which the payload and the publish, or the publish and the look at the mark, are swapped.

type place struct {
	sequence word.Uint64
	value    uint64
}

//go:noinline
func pushControl(s *place, next, v uint64, mark *futex.Event) bool {
	s.value = v
	futex.Publish(&s.sequence, next)
	return mark.Idle()
}

//go:noinline
func pushSwapped(s *place, next, v uint64, mark *futex.Event) bool {
	futex.Publish(&s.sequence, next)
	s.value = v
	return mark.Idle()
}

//go:noinline
func pushUnseen(s *place, next, v uint64, mark *futex.Event) bool {
	idle := mark.Idle()
	s.value = v
	futex.Publish(&s.sequence, next)
	return idle
}

//go:noinline
func putControl(places []place, next uint64, vs []uint64, mark *futex.Event) bool {
	places = places[:len(vs)]
	for i := range places {
		s := &places[i]
		s.value = vs[i]
		futex.Publish(&s.sequence, next+uint64(i))
	}
	return mark.Idle()
}

//go:noinline
func putSwapped(places []place, next uint64, vs []uint64, mark *futex.Event) bool {
	places = places[:len(vs)]
	for i := range places {
		s := &places[i]
		futex.Publish(&s.sequence, next+uint64(i))
		s.value = vs[i]
	}
	return mark.Idle()
}

var (
	aPush = site{publishes: 1, file: "swapped_linux_amd64_test.go"}
	aPut  = site{publishes: 1, file: "swapped_linux_amd64_test.go", loop: true}

	controls = map[string]struct {
		site  site
		holds bool
		code  any
	}{
		"pushControl": {aPush, true, pushControl},
		"pushSwapped": {aPush, false, pushSwapped},
		"pushUnseen":  {aPush, false, pushUnseen},
		"putControl":  {aPut, true, putControl},
		"putSwapped":  {aPut, false, putSwapped},
	}
)

// holds reports whether what is required holds.
func holds(required func(t require.TestingT)) bool {
	done := make(chan bool)
	go func() {
		held := false
		defer func() { done <- held }()
		required(quietly{})
		held = true
	}()
	return <-done
}

// quietly is where a requirement fails without a word.
type quietly struct{}

func (quietly) Errorf(string, ...any) {}
func (quietly) FailNow()              { runtime.Goexit() }
