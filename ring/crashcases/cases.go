// Package crashcases has the operations of package ring for the crash lab: what is done while a process
// is killed, and what must hold then.
//
// The items of a trial carry who pushed them, and a number. Whoever reads in the end holds each of them
// against the one before: all that was committed must be there, once, in order, and nothing else.
package crashcases

import (
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
)

// Cases are all of them.
func Cases() []crashlab.Case {
	return slices.Concat(makeCases(), takeCases(), writeCases(), readCases(), closeCases(), stormCases(), broadcastCases(), mpmcCases())
}
