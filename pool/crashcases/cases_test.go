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
	word   = "a word for a number"
	name   = "records a name, in this process alone"
	future = "waits, or says something, within this process; Go has its case"
)

func TestEveryOperationHasACase(t *testing.T) {
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"pool.BreakOnDeath":        option,
		"pool.Chunk":               option,
		"pool.Latency.Count":       field,
		"pool.Latency.MarshalJSON": text,
		"pool.Latency.Max":         field,
		"pool.Latency.Quantile":    field,
		"pool.Log":                 option,
		"pool.Pool.Stats":          field,
		"pool.Pool.Var":            text,
		"pool.Elastic":             option,
		"pool.MemoryCap":           option,
		"pool.MemoryLimit":         option,
		"pool.TasksPerWorker":      option,
		"pool.Pool.Resize":         "starts and ends workers, which have their cases",
		"pool.Pool.Size":           field,
		"pool.EventKind.String":    word,
		"pool.Finalizer":           "sets a call that is like any other",
		"pool.Initializer":         "sets a call that is like any other",
		"pool.InputError.Error":    text,
		"pool.InputError.Unwrap":   field,
		"pool.OOM.String":          word,
		"pool.RegisterError":       name,
		"pool.RegisterErrorType":   name,
		"pool.RestartLimit":        option,
		"pool.Spares":              option,
		"pool.WorkerDied.Unwrap":   field,
		"pool.Grace":               option,
		"pool.MaxMessage":          option,
		"pool.OnEvent":             option,
		"pool.PanicError.Error":    text,
		"pool.Pool.Workers":        "reads words, changes nothing",
		"pool.Process":             option,
		"pool.Task":                name,
		"pool.TaskError.Error":     text,
		"pool.TaskError.Unwrap":    field,
		"pool.Typed.Name":          field,
		"pool.Waiting":             option,
		"pool.WorkerDied.Error":    text,
		"pool.Workers":             option,
		"pool.AsCompleted":         future,
		"pool.CancelAll":           future,
		"pool.Future.Cancel":       future,
		"pool.Future.Done":         future,
		"pool.Future.OnDone":       future,
		"pool.Future.Result":       future,
		"pool.Future.State":        future,
		"pool.Future.Wait":         future,
		"pool.Local":               "makes no processes",
		"pool.State.String":        "a word for a number",
		"pool.WaitFirst":           future,
		"pool.WaitSucceeded":       future,
	})
}
