//go:build linux || darwin

package demo

import (
	"io"

	"golang.org/x/sys/unix"
)

const assumedWidth = 80 // columns of a terminal that does not say

// terminalWidth returns the columns of the terminal that w writes to, and 0 if w is no terminal.
func terminalWidth(w io.Writer) int {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0
	}
	fd := int(f.Fd())
	if _, err := unix.IoctlGetTermios(fd, getTermios); err != nil {
		return 0
	}
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return assumedWidth
	}
	return int(size.Col)
}
