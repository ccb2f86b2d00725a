//go:build !linux && !darwin

package demo

import "io"

// terminalWidth returns 0: the progress is written as plain lines.
func terminalWidth(io.Writer) int { return 0 }
