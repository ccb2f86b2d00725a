// Package crashcases has the operations of package pool for the crash lab: what a worker or a parent is
// at while it is killed, and what must hold then.
package crashcases

import (
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
)

// Cases are all of them.
func Cases() []crashlab.Case {
	return slices.Concat(workerCases(), cancelCases(), startCases(), parentCases())
}
