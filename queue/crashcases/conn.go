package crashcases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// call is a listener, of survivor 0, and who dials it, as each process sees it.
type call struct {
	l    *queue.Listener
	conn *queue.Conn // the victim's
	took net.Conn    // survivor 0's side of it
	done bool        // this survivor has dialled
}

const here = "here"

func listen(a *crashlab.Actor) (*queue.Listener, error) {
	return queue.Listen(a.Segment, here, queue.MaxBytes(1))
}

func (c *call) setup(a *crashlab.Actor) (err error) {
	c.l, err = listen(a)
	return err
}

// recover dials, which one who is stopped may keep it from: he may have the lock of the heap.
func (c *call) recover(a *crashlab.Actor) error {
	if a.Paused || c.done {
		return nil
	}
	c.done = true
	return dialAndClose(a)
}

func dialAndClose(a *crashlab.Actor) error {
	conn, err := queue.Dial(a.Ctx, a.Segment, here)
	if err != nil {
		return err
	}
	if _, err := conn.Write([]byte("survivor")); err != nil {
		return err
	}
	return conn.Close()
}

// dial is the victim's.
func (c *call) dial(a *crashlab.Actor) (err error) {
	c.conn, err = queue.Dial(a.Ctx, a.Segment, here)
	return err
}

// check ends all connections, and looks whether nothing is left of them.
func (c *call) check(a *crashlab.Actor) (string, error) {
	if c.took != nil {
		if err := c.took.Close(); err != nil {
			return "", err
		}
	}
	if err := c.l.Close(); err != nil {
		return "", err
	}
	var err error
	if c.l, err = listen(a); err != nil { // which clears what the dead have left
		return "", err
	}
	if err := dialAndClose(a); err != nil {
		return "", err
	}
	conn, err := c.l.Accept()
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(conn)
	if err != nil || string(text) != "survivor" {
		return "", errors.Join(err, fmt.Errorf("read %q", text))
	}
	if err := errors.Join(conn.Close(), c.l.Close()); err != nil {
		return "", err
	}
	return "over", noMore(a, 1)
}

// told is what survivor 0 reads from the victim, in what is left of a moment.
func (c *call) told(a *crashlab.Actor) (string, error) {
	for {
		conn, err := c.l.Accept()
		if err != nil {
			return "", err
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			return "", err
		}
		text, err := io.ReadAll(conn)
		if string(text) == "survivor" {
			if err := conn.Close(); err != nil {
				return "", err
			}
			continue
		}
		if err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, os.ErrDeadlineExceeded) {
			return "", err
		}
		c.took = conn
		return string(text), nil
	}
}

func (c *call) leave(*crashlab.Actor) error {
	if c.l != nil {
		_ = c.l.Close()
	}
	return nil
}

// stormy listens, if nobody does, dials, talks and hangs up.
func stormy(a *crashlab.Actor) error {
	soon, cancel := context.WithTimeout(a.Ctx, 10*time.Millisecond)
	defer cancel()
	l, err := listen(a)
	if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	conn, err := queue.Dial(soon, a.Segment, here)
	if err == nil {
		_, _ = conn.Write([]byte("storm"))
		err = conn.Close()
	}
	if l != nil {
		err = errors.Join(err, l.Close())
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, shm.ErrNoSpace) {
		err = nil
	}
	return err
}

// connRoom is for a listener, and some connections.
const connRoom = 3 << 20

func connCases() []crashlab.Case {
	play := func(states map[string]string, victim func(c *call, a *crashlab.Actor) error) func() crashlab.Play {
		return func() crashlab.Play {
			c := &call{}
			return crashlab.Play{
				Room: connRoom, Setup: c.setup, Ready: c.dial, Recover: c.recover, Leave: c.leave,
				Victim: func(a *crashlab.Actor) error { return victim(c, a) },
				Check: func(a *crashlab.Actor) (string, error) {
					text, err := c.told(a)
					if err != nil {
						return "", err
					}
					_, err = c.check(a)
					state, ok := states[text]
					if !ok {
						err = errors.Join(err, fmt.Errorf("read %q", text))
					}
					return state, err
				},
			}
		}
	}
	dial := func() crashlab.Play {
		c := &call{}
		return crashlab.Play{
			Room: connRoom, Setup: c.setup, Recover: c.recover, Check: c.check, Leave: c.leave,
			Ready:  dialAndClose, // the first one takes long in single steps
			Victim: c.dial,
		}
	}
	listening := func() crashlab.Play {
		c := &call{}
		return crashlab.Play{
			Room:  connRoom,
			Setup: func(a *crashlab.Actor) error { return errors.Join(c.setup(a), c.l.Close()) },
			Victim: func(a *crashlab.Actor) error {
				l, err := listen(a)
				if err != nil {
					return err
				}
				return l.Close()
			},
			Recover: func(a *crashlab.Actor) error {
				l, err := listen(a)
				if errors.Is(err, syscall.EADDRINUSE) { // the other survivor, or one who is stopped
					return nil
				}
				if err != nil {
					return err
				}
				return l.Close()
			},
			Check: func(a *crashlab.Actor) (string, error) {
				if err := c.setup(a); err != nil {
					return "", err
				}
				return c.check(a)
			},
			Storm: stormy,
			Leave: c.leave,
		}
	}
	over, silent := []string{"over"}, map[string]string{"": "over"}
	return []crashlab.Case{
		{Name: "queue.Listen", Covers: []string{"queue.Listen", "queue.Listener.Close"}, States: over, Play: listening},
		{Name: "queue.Dial", Covers: []string{"queue.Dial"}, States: over, Play: dial},
		{Name: "queue.Conn.Write", Covers: []string{"queue.Conn.Write"}, States: []string{"before", "written"}, Play: play(
			map[string]string{"": "before", "some words": "written"},
			func(c *call, _ *crashlab.Actor) error { _, err := c.conn.Write([]byte("some words")); return err },
		)},
		{Name: "queue.Conn.Read", Covers: []string{"queue.Conn.Read", "queue.Conn.SetDeadline", "queue.Conn.SetReadDeadline", "queue.Conn.SetWriteDeadline"}, States: over, Play: play(silent,
			func(c *call, _ *crashlab.Actor) error {
				if err := c.conn.SetDeadline(time.Now().Add(-time.Second)); err != nil {
					return err
				}
				if _, err := c.conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					return fmt.Errorf("behind the deadline: %w", err)
				}
				return nil
			},
		)},
		{Name: "queue.Conn.Close", Covers: []string{"queue.Conn.Close", "queue.Conn.CloseRead", "queue.Conn.CloseWrite"}, States: over, Play: play(silent,
			func(c *call, _ *crashlab.Actor) error {
				return errors.Join(c.conn.CloseRead(), c.conn.CloseWrite(), c.conn.Close())
			},
		)},
	}
}
