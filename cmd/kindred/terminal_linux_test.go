package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal returns the two ends of a pseudo-terminal of 100 columns.
func terminal(t *testing.T) (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 100}))
	return master, slave
}

func TestProgressIsABarOnATerminal(t *testing.T) {
	master, slave := terminal(t)
	p := prepare(t, "demo", "-dir", writeTree(t, 30))
	p.Stderr = slave
	require.NoError(t, p.Start())
	require.NoError(t, slave.Close())
	screen := make(chan string)
	go func() {
		all, _ := io.ReadAll(master) // ends with EIO when nobody has the other end any more
		screen <- string(all)
	}()
	shown := <-screen
	require.Zero(t, p.finish(t), shown)
	require.Contains(t, shown, "\rprocesses  [            ]   0%  0/30 files")
	require.Contains(t, shown, "\rprocesses  [============] 100%  30/30 files")
	require.Contains(t, shown, "killed worker")
	for _, line := range strings.FieldsFunc(shown, func(r rune) bool { return r == '\r' || r == '\n' }) {
		require.Less(t, len(line), 100)
	}
}
