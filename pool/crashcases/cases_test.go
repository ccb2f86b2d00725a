//go:build linux && amd64

package crashcases

import (
	"testing"

	"github.com/kindred-ipc/kindred/internal/crashlab/crashtest"
)

func TestMain(m *testing.M) { crashtest.Main(m, Cases()) }

func TestCases(t *testing.T) { crashtest.Run(t, Cases()) }

// Reasons for having no case, of several.
const (
	option = "sets an option of a start that has its case"
	text   = "makes a text of what is in this process"
	field  = "gives what is in this process"
	future = "waits, or says something, within this process; Go has its case"
)

func TestEveryOperationHasACase(t *testing.T) {
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"pool.AsCompleted":      future,
		"pool.CancelAll":        future,
		"pool.EventKind.String": "a word for a number",
		"pool.Future.Cancel":    future,
		"pool.Future.Done":      future,
		"pool.Future.OnDone":    future,
		"pool.Future.Result":    future,
		"pool.Future.State":     future,
		"pool.Future.Wait":      future,
		"pool.Grace":            option,
		"pool.Local":            "makes no processes",
		"pool.MaxMessage":       option,
		"pool.OnEvent":          option,
		"pool.PanicError.Error": text,
		"pool.Pool.Workers":     "reads words, changes nothing",
		"pool.Process":          option,
		"pool.State.String":     "a word for a number",
		"pool.Task":             "records a name, in this process alone",
		"pool.TaskError.Error":  text,
		"pool.TaskError.Unwrap": field,
		"pool.Typed.Name":       field,
		"pool.Waiting":          option,
		"pool.WaitFirst":        future,
		"pool.WaitSucceeded":    future,
		"pool.WorkerDied.Error": text,
		"pool.Workers":          option,
	})
}
