package queue

import "github.com/kindred-ipc/kindred/shm"

// Mute has somebody listen who answers when he is told to alone. Asks reports whether somebody asks for that link, and answer gives it.
func Mute(seg *shm.Segment, name string) (asks func(link int) bool, answer func(link int) *Conn, err error) {
	l, err := Listen(seg, name)
	if err != nil {
		return nil, nil, err
	}
	l.end()
	<-l.ended
	links := l.calls.links
	return func(i int) bool { return links[i].state.Load()&phaseMask == linkAsking },
		func(i int) *Conn { return l.answer(&links[i]) }, nil
}
