//go:build linux && amd64

package crashcases

import (
	"testing"

	"github.com/kindred-ipc/kindred/internal/crashlab/crashtest"
)

func TestMain(m *testing.M) { crashtest.Main(m, Cases()) }

func TestCases(t *testing.T) { crashtest.Run(t, Cases()) }

func TestEveryOperationHasACase(t *testing.T) {
	crashtest.Covered(t, "..", Cases(), map[string]string{})
}
