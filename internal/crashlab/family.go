package crashlab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A family is a process and all that it starts: those of one session, which a fork inherits and an exec
// keeps, so that nobody who was just being started is overlooked.

const familyFile = "family-"

// Found makes this process the head of a family. It may be called again.
func (a *Actor) Found() error {
	pid := os.Getpid()
	sid, err := unix.Getsid(0)
	if err == nil && sid != pid {
		_, err = unix.Setsid()
	}
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return os.WriteFile(a.Scratch(familyFile+strconv.Itoa(pid)), nil, 0o600)
}

// Orphaned waits until nobody of any family of this trial is left, the heads included.
func (a *Actor) Orphaned() error {
	for {
		left, err := a.relatives()
		if err != nil || len(left) == 0 {
			return err
		}
		select {
		case <-a.Ctx.Done():
			return fmt.Errorf("still there: %s: %w", strings.Join(left, ", "), context.Cause(a.Ctx))
		case <-time.After(time.Millisecond):
		}
	}
}

// relatives describes the living of all families of this trial.
func (a *Actor) relatives() ([]string, error) {
	heads, err := filepath.Glob(a.Scratch(familyFile + "*"))
	if err != nil {
		return nil, err
	}
	sessions := make(map[string]bool)
	for _, h := range heads {
		sessions[strings.TrimPrefix(h, a.Scratch(familyFile))] = true
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var left []string
	for _, path := range stats {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // gone meanwhile
		}
		// Behind the name, which may contain any: state, parent, process group, session.
		i := bytes.LastIndexByte(line, ')')
		f := strings.Fields(string(line[i+1:]))
		if len(f) < 4 || !sessions[f[3]] || f[0] == "Z" || f[0] == "X" {
			continue
		}
		left = append(left, string(line[:i+1])+" "+f[0])
	}
	return left, nil
}
