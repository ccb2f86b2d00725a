package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What has a case was tried: the page says of each what came of it.
func TestThePageHasARowForEachCase(t *testing.T) {
	page, err := os.ReadFile("../../docs/CRASH.md")
	require.NoError(t, err)
	for _, c := range cases() {
		require.Contains(t, string(page), "\n| "+c.Name+" | ")
	}
}
