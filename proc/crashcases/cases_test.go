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
)

func TestEveryOperationHasACase(t *testing.T) {
	crashtest.Covered(t, "..", Cases(), map[string]string{
		"proc.Affinity": option, "proc.Log": option, "proc.Nice": option, "proc.Rlimit": option, "proc.Outlive": option,
		"proc.Children": field, "proc.Parent": field, "proc.ParentProcess.Name": field, "proc.ParentProcess.Pid": field,
		"proc.ParentProcess.Done": field, "proc.Process.ExitCode": field, "proc.Process.Err": field,
		"proc.Current":            field,
		"proc.Dir":                option,
		"proc.Env":                option,
		"proc.Executable":         option,
		"proc.ExitError.Error":    text,
		"proc.File":               field,
		"proc.Files":              option,
		"proc.Func":               "records a name, in this process alone",
		"proc.Function.Name":      field,
		"proc.GOMAXPROCS":         option,
		"proc.GOMEMLIMIT":         option,
		"proc.Main":               "a child that dies in it has died to its parent, which has its cases and tests",
		"proc.Name":               option,
		"proc.Process.Alive":      "looks at a channel of this process",
		"proc.Process.Done":       field,
		"proc.Process.Name":       field,
		"proc.Process.Pid":        field,
		"proc.Segment":            field,
		"proc.Segments":           field,
		"proc.Share":              option,
		"proc.Stderr":             option,
		"proc.KeepStderr":         option,
		"proc.Process.LastStderr": field,
		"proc.Stdout":             option,
		"proc.TestMain":           "Main, and tests",
	})
}
