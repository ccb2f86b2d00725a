// Package crashcases has the operations of package shm for the crash lab: what is done while a process
// is killed, and what must hold then.
package crashcases

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kindred-ipc/kindred/internal/crashlab"
)

// Cases are all of them.
func Cases() []crashlab.Case {
	return slices.Concat(attachCases(), closeCases(), createCases(), removeCases(), heapCases(), blockCases(), structCases(), rawCases())
}

// size is how much room the segments have that cases make beside the trial's own.
const size = 4 << 10

// beside is the name of a second segment.
func beside(a *crashlab.Actor) string { return a.Name + "-x" }

// nothingBeside reports whether the directory has files of these names and no others.
func nothingBeside(a *crashlab.Actor, names ...string) error {
	entries, err := os.ReadDir(a.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), "kindred."); !ok || !slices.Contains(names, name) {
			return fmt.Errorf("left in the directory: %s", e.Name())
		}
	}
	return nil
}

func path(a *crashlab.Actor) string { return filepath.Join(a.Dir, "kindred."+a.Name) }
