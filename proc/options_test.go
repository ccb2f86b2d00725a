package proc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLastValueOfVariableCounts(t *testing.T) {
	got := environment([]string{"A=1", "B=2", "A=3", "malformed"}, "B=4", "C==")
	require.Equal(t, []string{"A=3", "malformed", "B=4", "C=="}, got)
}
