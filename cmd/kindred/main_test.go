package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDispatch(t *testing.T) {
	table := []command{
		{"greet", "say hello", func(_ context.Context, args []string, stdout, _ io.Writer) int {
			fmt.Fprint(stdout, args)
			return 7
		}},
	}
	for _, c := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{[]string{"greet", "a", "-b"}, 7, "[a -b]", ""},
		{[]string{}, 2, "", "usage: kindred COMMAND"},
		{[]string{"gret"}, 2, "", `kindred: unknown command "gret"`},
		{[]string{"-x"}, 2, "", `kindred: unknown command "-x"`},
		{[]string{"help"}, 0, "  greet    say hello\n", ""},
		{[]string{"-h"}, 0, "usage: kindred COMMAND", ""},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, c.status, dispatch(context.Background(), table, c.args, &stdout, &stderr), c.args)
		require.Contains(t, stdout.String(), c.stdout)
		require.Contains(t, stderr.String(), c.stderr)
		require.Equal(t, c.stdout == "", stdout.Len() == 0, c.args)
		require.Equal(t, c.stderr == "", stderr.Len() == 0, c.args)
	}
}
